"""Headless Chromium over the WebDriver protocol, for tests of pages; urllib suffices."""

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--hide-scrollbars", "--disable-dev-shm-usage"]

AUDIT = (Path(__file__).parent / "browser_audit.js").read_text()


class Browser:
    """One page at a time: open it at a width and a colour scheme, then ask about it."""

    def __init__(self, port: int, folder: str):
        self.address = f"http://127.0.0.1:{port}"
        options = {"binary": shutil.which("chromium"),
                   "args": [*FLAGS, f"--user-data-dir={folder}"]}
        asked = {"browserName": "chrome", "goog:chromeOptions": options,
                 "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        found = self.call("POST", "/session", {"capabilities": {"alwaysMatch": asked}})
        self.session = f"/session/{found['sessionId']}"

    def call(self, method: str, path: str, body: dict | None = None):
        """One request of the WebDriver protocol; its value."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def devtools(self, command: str, **parameters):
        """One command of the DevTools protocol."""
        return self.call("POST", f"{self.session}/goog/cdp/execute",
                         {"cmd": command, "params": parameters})

    def open(self, address: str, *, width: int, height: int = 800, scheme: str = "light",
             media: str = "") -> None:
        """Show a page; `media` may be "print"."""
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=1, mobile=False)
        self.devtools("Emulation.setEmulatedMedia", media=media,
                      features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.log("browser")
        self.log("performance")
        self.call("POST", f"{self.session}/url", {"url": address})

    def log(self, kind: str) -> list[dict]:
        """What was logged since it was last asked for."""
        return self.call("POST", f"{self.session}/se/log", {"type": kind})

    def requests(self) -> list[str]:
        """The address of everything that the page fetched."""
        messages = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        return [message["params"]["request"]["url"] for message in messages
                if message["method"] == "Network.requestWillBeSent"]

    def errors(self) -> list[str]:
        """The messages of the console."""
        return [entry["message"] for entry in self.log("browser")]

    def run(self, script: str):
        """What a JavaScript function body returns."""
        return self.call("POST", f"{self.session}/execute/sync", {"script": script, "args": []})

    def audit(self) -> dict:
        """What is wrong with the page: overflow, images, headings, names, contrast."""
        return self.run(AUDIT)

    def press(self, key: str) -> None:
        """Press a key, such as "Tab" or "Enter"."""
        codes = {"Tab": 9, "Enter": 13}
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.devtools("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                          windowsVirtualKeyCode=codes[key], **text)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """A PNG of the window, or of the whole page."""
        found = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=whole,
                              **({"clip": self.run(
                                  "const d = document.documentElement; return {x: 0, y: 0, width: "
                                  "d.clientWidth, height: d.scrollHeight, scale: 1}")}
                                 if whole else {}))
        path.write_bytes(base64.b64decode(found["data"]))


@contextlib.contextmanager
def browser():
    """A running browser; the test is skipped where Chromium or its driver is missing."""
    for tool in ("chromium", "chromedriver"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (Debian: apt install chromium chromium-driver)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            wait_for(port)
            found = Browser(port, folder)
            try:
                yield found
            finally:
                found.call("DELETE", found.session)
    finally:
        driver.terminate()
        driver.wait(20)


def wait_for(port: int, seconds: float = 30) -> None:
    """Return when something listens on the port."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"chromedriver did not answer on port {port}")
