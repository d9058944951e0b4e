"""The catalogue of public data sets: its digests, its look-up order, downloads, preparation."""

import dataclasses
import errno
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy
import pytest

from lamina import datasets, storage
from lamina.datasets import CATALOGUE, DataSet, RawFile, content, download, prepare
from lamina.errors import UserError
from lamina.media import labelled

REAL = Path(os.environ.get("LAMINA_DATA") or "/nowhere")
TEXT = b"a rose is a rose is a rose\n" * 1000


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and no data folder."""
    monkeypatch.setenv("LAMINA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LAMINA_DATA", raising=False)
    monkeypatch.delenv("LAMINA_OFFLINE", raising=False)
    return tmp_path / "cache"


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def known(monkeypatch, *files: RawFile, prepare=None) -> DataSet:
    """A data set named "roses" of these files, put into the catalogue."""
    data = DataSet(name="roses", what="roses", tasks=("text-generation",), examples=1,
                   licence="public domain", page="https://example.org/roses", forms=(files,),
                   prepare=prepare)
    monkeypatch.setitem(CATALOGUE, "roses", data)
    return data


def put(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def archive(members: dict[str, bytes], mode: str = "w:gz",
            links: dict[str, str] | None = None) -> bytes:
    """A tar archive of these files and symbolic links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as opened:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            opened.addfile(info)
    return buffer.getvalue()


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# ---- the catalogue ----------------------------------------------------------------------------

def test_every_record_is_complete():
    for name, data in CATALOGUE.items():
        assert data.name == name and data.what and data.tasks and data.licence and data.examples
        assert data.page.startswith("http") and len(data.what) <= 72
        for file in (file for form in data.forms for file in form):
            assert file.contents or file.packed, "nothing is taken unverified"
            assert file.size > 0
            assert all(url.startswith("https://") for url in file.urls)
            for digest in filter(None, (*file.contents, file.packed)):
                algorithm, _, digits = digest.partition(":")
                assert len(bytes.fromhex(digits)) == hashlib.new(algorithm).digest_size


def test_import_needs_neither_torch_nor_numpy():
    done = subprocess.run([sys.executable, "-c", "import sys, lamina.datasets; "
                           "lamina.datasets.table(); print([n for n in ('torch', 'numpy', 'rich')"
                           "if n in sys.modules])"], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_unknown_name_gets_the_nearest():
    with pytest.raises(UserError, match="did you mean 'mnist'"):
        datasets.find("mnits")


def test_table_says_where_each_would_come_from(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("LAMINA_DATA", str(tmp_path / "data"))
    put(tmp_path / "data" / "tiny-shakespeare", "input.txt", b"")
    put(cache / "california-housing", "housing.csv.gz", b"")
    where = {row.name: row.where for row in datasets.table()}
    assert where["digits"] == "ships with lamina"
    assert where["tiny-shakespeare"] == "LAMINA_DATA"
    assert where["california-housing"] == "cache"
    assert where["mnist"] == "download"
    assert where["cifar10-jpeg"] == "by hand"
    lines = datasets.listing().splitlines()
    assert [line.split()[0] for line in lines[::2]] == datasets.names() == list(where)
    assert "70,000 examples, 11.6 MB, CC BY-SA 3.0; download" in lines[3]


def test_docs_name_every_data_set_and_licence():
    page = (Path(__file__).parents[1] / "docs" / "data.md").read_text()
    for row in datasets.table():
        assert f"`{row.name}`" in page and row.licence in page and row.page in page


def test_digits_ship_with_the_package_and_their_licence():
    path = datasets.find("digits", offline=True)
    items = labelled.read(path)
    assert len(items) == 1797 and {item.target for item in items} == set("0123456789")
    assert items[0].input.shape == (8, 8) and max(item.input.max() for item in items) == 255
    assert "CC BY 4.0" in (path.parent / "LICENSE.txt").read_text()
    reference = pytest.importorskip("sklearn.datasets").load_digits()
    images = numpy.stack([item.input for item in items])
    assert (images == numpy.round(reference.images * 255 / 16)).all()
    assert [item.target for item in items] == [str(label) for label in reference.target]


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name != "digits"])
def test_digests_fit_the_real_files(name, monkeypatch):
    if not (REAL / name).is_dir():
        pytest.skip(f"{name} is not in LAMINA_DATA")
    monkeypatch.setenv("LAMINA_DATA", str(REAL))
    path = datasets.find(name, offline=True)
    if name == "mnist":
        assert path == REAL / "mnist"
    if name in ("mnist", "flowers"):
        assert len(labelled.read(path)) == CATALOGUE[name].examples
    if name == "flowers":  # recognised by its content too, should somebody repack it
        digest = content.hash_content(path, "sha256")
        assert CATALOGUE[name].forms[0][0].contents == (f"sha256:{digest}",)
    if name == "tiny-shakespeare":
        assert path.stat().st_size == 1_115_394
    if name == "wikitext-2":
        assert sorted(p.name for p in path.iterdir()) == ["test.txt", "train.txt",
                                                          "validation.txt"]
    if name == "adult-income":
        lines = [(path / f"{part}.csv").read_text().splitlines() for part in ("train", "test")]
        assert sum(map(len, lines)) - 2 == CATALOGUE[name].examples
        assert {line.rsplit(",")[-1] for part in lines for line in part} == {
            "income", "<=50K", ">50K"}
    if name == "california-housing":
        lines = path.read_text().splitlines()
        assert lines[0].endswith(",median_house_value") and len(lines) - 1 == 20_640


# ---- what is accepted -------------------------------------------------------------------------

def test_lamina_data_comes_before_the_cache(cache, monkeypatch, tmp_path):
    known(monkeypatch, RawFile(name="roses.txt", size=1, contents=(sha256(TEXT),)))
    put(cache / "roses", "roses.txt", TEXT)
    assert datasets.find("roses") == cache / "roses" / "roses.txt"
    monkeypatch.setenv("LAMINA_DATA", str(tmp_path / "data"))
    mine = put(tmp_path / "data" / "roses", "roses.txt", TEXT)
    assert datasets.find("roses") == mine


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    from lamina.datasets.find import cache

    assert cache() == tmp_path / "cache"
    monkeypatch.delenv("LAMINA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache() == tmp_path / "xdg" / "lamina"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache() == Path.home() / ".cache" / "lamina"


def test_repacked_gz_is_accepted(cache, monkeypatch):
    known(monkeypatch, RawFile(name="roses.txt", size=1, contents=(sha256(TEXT),)))
    for level in (1, 9):
        path = put(cache / "roses", "roses.txt.gz", gzip.compress(TEXT, level, mtime=level))
        assert datasets.find("roses") == path


def test_repacked_archive_is_accepted_and_a_changed_one_refused(tmp_path):
    files = {"roses/red.txt": TEXT, "roses/white.txt": TEXT[::-1]}
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as opened:
        for name, data in reversed(files.items()):
            opened.writestr(name, data)
    packed = {"a.zip": zipped.getvalue(), "a.tar.gz": archive(files),
              "a.tar.xz": archive(files, "w:xz"),
              "a.tgz": archive({f"./{name}": data for name, data in files.items()}),
              "renamed.tar": archive({"roses/RED.txt": TEXT, "roses/white.txt": TEXT[::-1]}, "w"),
              "changed.tar": archive({**files, "roses/red.txt": TEXT + b"."}, "w")}
    digests = {name: content.hash_content(put(tmp_path, name, data), "sha256")
               for name, data in packed.items()}
    assert len({digests[name] for name in ("a.zip", "a.tar.gz", "a.tar.xz", "a.tgz")}) == 1
    assert len(set(digests.values())) == 3


@pytest.mark.parametrize("name, packed", [("roses.txt", TEXT), ("roses.txt.gz",
                                                                gzip.compress(TEXT))])
def test_flipped_byte_is_refused_by_name_and_digest(cache, monkeypatch, name, packed):
    known(monkeypatch, RawFile(name="roses.txt", size=1, contents=(sha256(TEXT),)))
    for place in (len(packed) // 3, len(packed) // 2, len(packed) - 5):
        damaged = bytearray(packed)
        damaged[place] ^= 4
        path = put(cache / "roses", name, bytes(damaged))
        with pytest.raises(UserError) as told:
            datasets.find("roses")
        assert str(path) in str(told.value) and sha256(TEXT) in str(told.value)
        assert "found " in str(told.value) and "\n" not in str(told.value)


def test_published_digest_of_the_archive_is_enough(cache, monkeypatch):
    packed = archive({"red.txt": TEXT})
    md5 = "md5:" + hashlib.md5(packed).hexdigest()
    known(monkeypatch, RawFile(name="roses.tgz", size=1, packed=md5))
    path = put(cache / "roses", "roses.tgz", packed)
    assert datasets.find("roses") == path
    put(cache / "roses", "roses.tgz", packed + b"\0")
    with pytest.raises(UserError, match=f"expected {md5}, found md5:"):
        datasets.find("roses")


def test_checked_files_are_read_once_until_they_change(cache, monkeypatch):
    known(monkeypatch, RawFile(name="roses.txt", size=1, contents=(sha256(TEXT),)))
    path = put(cache / "roses", "roses.txt", TEXT)
    datasets.find("roses")
    assert json.loads((cache / "verified.json").read_text())[str(path)][2] == sha256(TEXT)
    with monkeypatch.context() as no_reading:
        no_reading.setattr("lamina.datasets.verify.recognise", lambda *_: pytest.fail("read"))
        datasets.find("roses")
    put(cache / "roses", "roses.txt", TEXT[::-1])
    os.utime(path, ns=(0, time.time_ns() + 1))
    with pytest.raises(UserError):
        datasets.find("roses")


@pytest.mark.parametrize("memory", [b"", b"[1]", b'{"x": 1}', b"\xff"])
def test_damaged_memory_is_forgotten(cache, monkeypatch, memory):
    known(monkeypatch, RawFile(name="roses.txt", size=1, contents=(sha256(TEXT),)))
    put(cache / "roses", "roses.txt", TEXT)
    put(cache, "verified.json", memory)
    assert datasets.find("roses").read_bytes() == TEXT


def test_unwritable_cache_hinders_only_what_needs_it(monkeypatch, tmp_path):
    monkeypatch.setenv("LAMINA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LAMINA_CACHE", str(put(tmp_path, "file", b"") / "cache"))
    file = RawFile(name="roses.txt", size=1, contents=(sha256(TEXT),),
                   urls=("http://127.0.0.1:9/roses.txt",))
    known(monkeypatch, file)
    with pytest.raises(UserError, match="cannot be written .*LAMINA_CACHE"):
        datasets.find("roses")
    put(tmp_path / "data" / "roses", "roses.txt", TEXT)
    assert datasets.find("roses").read_bytes() == TEXT
    known(monkeypatch, file, prepare=lambda files: {"a.txt": TEXT})
    with pytest.raises(UserError, match="cannot be written .*LAMINA_CACHE"):
        datasets.find("roses")


# ---- downloads --------------------------------------------------------------------------------

@pytest.fixture
def server(monkeypatch):
    """Serves `server.answers`: path -> (status, body, announced length)."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            status, body, length = self.server.answers.get(self.path, (404, b"", 0))
            if status == 0:  # says nothing
                self.server.silence.wait(5)
                return
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.answers, running.asked, running.silence = {}, [], threading.Event()
        running.daemon_threads = True
        running.at = f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.silence.set()
        running.shutdown()


def served(server, body: bytes, path: str = "/roses.txt.gz", *, status: int = 200,
           length: int | None = None) -> str:
    server.answers[path] = status, body, len(body) if length is None else length
    return server.at + path


def test_download_is_checked_kept_and_told(server, cache, monkeypatch):
    packed = gzip.compress(os.urandom(300_000))
    known(monkeypatch, RawFile(name="roses.txt", size=len(packed),
                               contents=(sha256(gzip.decompress(packed)),),
                               urls=(served(server, packed),)))
    told = []
    path = datasets.find("roses", progress=lambda *news: told.append(news))
    assert path == cache / "roses" / "roses.txt.gz" and path.read_bytes() == packed
    assert len(told) > 3 and told[-1] == ("roses.txt", len(packed), len(packed))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert everything(cache) == {"roses", "roses/roses.txt.gz", "verified.json"}
    assert datasets.find("roses", offline=True) == path and len(server.asked) == 1


def test_download_says_one_plain_line_in_a_pipe(server, monkeypatch, capsys):
    known(monkeypatch, RawFile(name="roses.txt", size=9, contents=(sha256(TEXT),),
                               urls=(served(server, gzip.compress(TEXT)),)))
    datasets.find("roses")
    assert capsys.readouterr().err == f"downloading roses from {server.at[7:]}: 9 bytes\n"


def test_download_draws_a_bar_on_a_terminal(server, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    known(monkeypatch, RawFile(name="roses.txt", size=9, contents=(sha256(TEXT),),
                               urls=(served(server, gzip.compress(TEXT)),)))
    datasets.find("roses")
    assert "roses: roses.txt" in capsys.readouterr().err


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_offline_asks_nobody_and_says_where_to_put_it(server, cache, monkeypatch, by):
    known(monkeypatch, RawFile(name="roses.txt", size=9, contents=(sha256(TEXT),),
                               urls=(served(server, TEXT),)))
    monkeypatch.setenv("LAMINA_OFFLINE", "1" if by == "environment" else "0")
    with pytest.raises(UserError) as told:
        datasets.find("roses", offline=by == "argument")
    assert "roses.txt" in str(told.value) and str(cache / "roses") in str(told.value)
    assert "https://example.org/roses" in str(told.value) and "\n" not in str(told.value)
    assert server.asked == []


def test_by_hand_only_says_so():
    with pytest.raises(UserError, match="cannot be downloaded automatically: put cifar10-jpeg"):
        datasets.find("cifar10-jpeg")


def failures():
    good = gzip.compress(TEXT)
    damaged = good[:50] + bytes([good[50] ^ 1]) + good[51:]
    return {"another content": ((200, gzip.compress(b"thorns"), None), "another file .*found"),
            "a flipped byte": ((200, damaged, None), "another file .*found"),
            "missing": ((404, b"", None), "404 Not Found"),
            "cut short": ((200, good[:-9], len(good)), "broke off after"),
            "too large": ((200, b"\0" * 100, 10**9), "more than [0-9,]+ bytes"),
            "endless": ((200, b"\0" * (3 << 20), 0), "more than|another file"),
            "silent": ((0, b"", 0), "no answer within")}


@pytest.mark.parametrize("fault", failures())
def test_failed_download_is_one_line_and_leaves_nothing(server, cache, monkeypatch, fault):
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    (status, body, length), expected = failures()[fault]
    url = served(server, body, status=status, length=length)
    known(monkeypatch, RawFile(name="roses.txt", size=1000, contents=(sha256(TEXT),), urls=(url,)))
    with pytest.raises(UserError, match=f"roses.txt could not be downloaded.*{expected}") as told:
        datasets.find("roses", progress=lambda *_: None)
    assert "\n" not in str(told.value)
    assert everything(cache) == {"roses"}


def test_no_network_is_one_line(cache, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    known(monkeypatch, RawFile(name="roses.txt", size=1, contents=(sha256(TEXT),),
                               urls=("http://127.0.0.1:9/roses.txt",)))
    with pytest.raises(UserError, match="127.0.0.1:9: it cannot be reached"):
        datasets.find("roses", progress=lambda *_: None)
    assert everything(cache) == {"roses"}


def test_second_source_is_asked_when_the_first_fails(server, monkeypatch):
    urls = (server.at + "/gone.txt", served(server, b"thorns", "/bad/roses.txt"),
            served(server, TEXT, "/good/roses.txt"))
    known(monkeypatch, RawFile(name="roses.txt", size=9, contents=(sha256(TEXT),), urls=urls))
    assert datasets.find("roses", progress=lambda *_: None).read_bytes() == TEXT
    assert server.asked == ["/gone.txt", "/bad/roses.txt", "/good/roses.txt"]


def test_interrupted_download_of_many_files_goes_on(server, cache, monkeypatch):
    files = [RawFile(name=f"{i}.txt", size=9, contents=(sha256(TEXT + bytes([i])),),
                     urls=(server.at + f"/{i}.txt",)) for i in range(3)]
    known(monkeypatch, *files)
    for i in (0, 1):
        served(server, TEXT + bytes([i]), f"/{i}.txt")
    with pytest.raises(UserError, match="2.txt could not be downloaded"):
        datasets.find("roses", progress=lambda *_: None)
    served(server, TEXT + b"\2", "/2.txt")
    assert datasets.find("roses", progress=lambda *_: None) == cache / "roses"
    assert server.asked == ["/0.txt", "/1.txt", "/2.txt", "/2.txt"]


@pytest.mark.parametrize("moment", ["before", "while writing"])
def test_full_disk_is_one_line_and_leaves_nothing(server, cache, monkeypatch, moment):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    known(monkeypatch, RawFile(name="roses.txt", size=12_345, contents=(sha256(TEXT),),
                               urls=(served(server, TEXT, "/roses.txt"),)))
    if moment == "before":
        monkeypatch.setattr(download, "free_bytes", lambda _: 77)
    else:
        monkeypatch.setattr(download.os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device.*12,345 bytes.* are free"):
        datasets.find("roses", progress=lambda *_: None)
    assert everything(cache) == {"roses"}


def test_remains_of_a_killed_download_are_swept(server, cache, monkeypatch):
    known(monkeypatch, RawFile(name="roses.txt", size=9, contents=(sha256(TEXT),),
                               urls=(served(server, TEXT, "/roses.txt"),)))
    for name, age in ((".old.part", 2 * download.STALE), (".new.part", 0)):
        put(cache / "roses" / name, "roses.txt", b"")
        os.utime(cache / "roses" / name, (time.time() - age,) * 2)
    datasets.find("roses", progress=lambda *_: None)
    assert not (cache / "roses" / ".old.part").exists()
    assert (cache / "roses" / ".new.part").exists(), "another process may be at it"


# ---- hostile archives -------------------------------------------------------------------------

def test_hostile_archives_write_nothing(cache, monkeypatch, tmp_path):
    names = ["../evil.bin", "/tmp/lamina-evil.bin", "a/../../../evil.bin", "link/evil.bin"]
    hostile = archive({name: TEXT for name in names}, links={"link": str(tmp_path), "x.bin": "/"})
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as opened:
        for name in names:
            opened.writestr(name, TEXT)
    before = everything(tmp_path)
    for name, packed in (("roses.tar.gz", hostile), ("roses.zip", zipped.getvalue())):
        known(monkeypatch, RawFile(name=name, size=1, packed=sha256(packed)),
              prepare=lambda files: prepare.inside(next(iter(files.values())), ".bin"))
        put(cache / "roses", name, packed)
        path = datasets.find("roses")
        assert path.parent == cache / "prepared"
        assert everything(path) == {"evil.bin", "lamina-evil.bin"}
        content.hash_content(cache / "roses" / name, "sha256")
    outside = {name for name in everything(tmp_path) - before if not name.startswith("cache")}
    assert outside == set() and not Path("/tmp/lamina-evil.bin").exists()


def test_archive_that_unpacks_without_end_is_refused(cache, monkeypatch):
    monkeypatch.setattr(content, "LARGEST", 1 << 20)
    monkeypatch.setattr(content.hash_stream, "__defaults__", (1 << 20,))
    packed = archive({f"{i}.txt": b"\0" * (1 << 18) for i in range(8)})
    known(monkeypatch, RawFile(name="roses.tgz", size=1, contents=(sha256(b""),)))
    put(cache / "roses", "roses.tgz", packed)
    with pytest.raises(UserError, match="unpacks to more than 1,048,576 bytes"):
        datasets.find("roses")


# ---- preparation ------------------------------------------------------------------------------

def test_preparation_is_atomic_and_done_once(cache, monkeypatch):
    calls = []

    def shout(files):
        calls.append(sorted(files))
        return {"loud.txt": files["roses.txt"].read_bytes().upper(), "more.txt": b""}

    known(monkeypatch, RawFile(name="roses.txt", size=1, contents=(sha256(TEXT),)), prepare=shout)
    put(cache / "roses", "roses.txt", TEXT)
    for step in ("write", "fsync", "replace"):
        with monkeypatch.context() as broken:
            def fail(*_):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            broken.setattr(storage.os, step, fail)
            with pytest.raises(UserError, match="the disk is full"):
                datasets.find("roses")
        assert not (cache / "prepared").exists() or everything(cache / "prepared") == set()
    path = datasets.find("roses")
    assert (path / "loud.txt").read_bytes() == TEXT.upper()
    stamp = (path / "loud.txt").stat().st_mtime_ns
    assert datasets.find("roses") == path and calls == [["roses.txt"]] * 4
    assert (path / "loud.txt").stat().st_mtime_ns == stamp
    shutil.rmtree(path)
    assert datasets.find("roses") == path, "the name depends on the content alone"


def test_preparation_lost_to_a_faster_process_is_no_fault(cache, monkeypatch):
    def beaten(path, files):
        real(path, files)
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))

    real = storage.write_folder
    monkeypatch.setattr(storage, "write_folder", beaten)
    known(monkeypatch, RawFile(name="roses.txt", size=1, contents=(sha256(TEXT),)),
          prepare=lambda files: {"loud.txt": b"ROSE"})
    put(cache / "roses", "roses.txt", TEXT)
    assert datasets.find("roses").read_bytes() == b"ROSE"


def test_adult_rows_get_a_header_empty_cells_and_clean_labels(tmp_path):
    row = "25, Private, 226802, 11th, 7, Never-married, ?, Own-child, Black, Male, 0, 0, 40, ?, "
    train = put(tmp_path, "adult.data", f"{row}<=50K\n\n".encode())
    test = put(tmp_path, "adult.test.gz",
               gzip.compress(f"|1x3 Cross validator\n{row}>50K.\n\n".encode()))
    made = prepare.adult({"adult.data": train, "adult.test": test})
    header, line = made["train.csv"].decode().splitlines()
    assert header.split(",") == list(prepare.ADULT_COLUMNS) and len(prepare.ADULT_COLUMNS) == 15
    assert line == "25,Private,226802,11th,7,Never-married,,Own-child,Black,Male,0,0,40,,<=50K"
    assert made["test.csv"].decode().splitlines()[1].endswith(",>50K")
    with pytest.raises(ValueError, match="expected 15 cells"):
        prepare.adult_table("1, 2\n")


def test_housing_target_becomes_the_last_column(tmp_path):
    raw = put(tmp_path, "housing.csv", b"a,median_house_value,b\n1,2.0,NEAR BAY\n3,4,\n")
    made = prepare.california({"housing.csv": raw})["housing.csv"]
    assert made == b"a,b,median_house_value\n1,NEAR BAY,2.0\n3,,4\n"


def test_compas_keeps_what_was_known_at_the_score(tmp_path):
    raw = put(tmp_path, "compas.csv", b"name,is_recid,decile_score,decile_score,two_year_recid\n"
                                      b"a person,1,3,3,1\n")
    made = prepare.compas_table(raw.read_text(), ("decile_score", "two_year_recid"))
    assert made == b"decile_score,two_year_recid\n3,1\n"
    assert not {"name", "is_recid", "r_offense_date"} & set(prepare.COMPAS_COLUMNS)
    assert prepare.COMPAS_COLUMNS[-1] == "two_year_recid" and len(prepare.COMPAS_COLUMNS) == 14


def test_wikitext_comes_as_three_files_or_as_a_zip(tmp_path):
    parts = {"train": b" = One = \n", "valid": b" = Two = \n", "test": b" = Three = \n"}
    loose = {f"wiki.{part}.tokens": put(tmp_path, f"wiki.{part}.tokens.gz", gzip.compress(data))
             for part, data in parts.items()}
    with zipfile.ZipFile(tmp_path / "wikitext-2-v1.zip", "w") as opened:
        for part, data in parts.items():
            opened.writestr(f"wikitext-2/wiki.{part}.tokens", data)
    made = prepare.wikitext({"wikitext-2-v1.zip": tmp_path / "wikitext-2-v1.zip"})
    assert made == prepare.wikitext(loose) == {
        "train.txt": parts["train"], "validation.txt": parts["valid"], "test.txt": parts["test"]}


def test_cifar10_binary_becomes_an_npz_that_is_read(cache, monkeypatch):
    random = numpy.random.default_rng(0)
    images = random.integers(0, 256, (12, 32, 32, 3), dtype=numpy.uint8)
    labels = numpy.array([3, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    records = [bytes([label]) + image.transpose(2, 0, 1).tobytes()
               for image, label in zip(images, labels, strict=True)]
    members = {f"cifar-10-batches-bin/data_batch_{i + 1}.bin": b"".join(records[2 * i : 2 * i + 2])
               for i in range(5)}
    members["cifar-10-batches-bin/test_batch.bin"] = b"".join(records[10:])
    members["cifar-10-batches-bin/batches.meta.txt"] = b"airplane\n"
    packed = archive(members)
    real = CATALOGUE["cifar10"]
    file = dataclasses.replace(real.forms[0][0], packed=sha256(packed))
    monkeypatch.setitem(CATALOGUE, "cifar10", dataclasses.replace(real, forms=((file,),)))
    put(cache / "cifar10", "cifar-10-binary.tar.gz", packed)
    path = datasets.find("cifar10", offline=True)
    items = labelled.read(path)
    assert [item.target for item in items] == [prepare.CIFAR10_CLASSES[label] for label in labels]
    assert [item.split for item in items] == ["train"] * 10 + ["test"] * 2
    assert all((item.input == image).all() for item, image in zip(items, images, strict=True))
    assert path.read_bytes() == prepare.cifar10(
        {"cifar-10-binary.tar.gz": cache / "cifar10" / "cifar-10-binary.tar.gz"})["cifar10.npz"]
