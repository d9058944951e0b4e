"""The report answers how good, how sure, compared to what, what next; and is safe and readable."""

import gzip
import html
import json
import math
import os
import random
from html.parser import HTMLParser
from pathlib import Path

import numpy
import pytest
from browser import browser

import lamina.report as report
from lamina import answers
from lamina.answers.episode import Episode
from lamina.gallery import drawn
from lamina.media.files import File
from lamina.report import chart
from lamina.task import Example

HOSTILE = '<script>alert("1")</script>'
MNIST = Path(os.environ.get("LAMINA_DATA", "/nowhere")) / "mnist"


# ---- realistic runs -------------------------------------------------------------------------


def document(task: str, name: str, scores: list, baselines: dict, **changed) -> dict:
    """A report's document; the baselines give the value of the first score."""
    first = scores[0]
    return {
        "task": task, "name": name, "command": f"lamina train {task} {name} --minutes 1",
        "date": "2025-03-14T09:26:53+00:00", "scores": scores,
        "baselines": [{"name": known, "scores": [{**first, "value": value, "low": low,
                                                  "high": high}]}
                      for known, (value, low, high) in baselines.items()],
        "data": {"train": 55000, "validation": 5000, "test": 10000, "source": f"/data/{name}",
                 "split": "train and test as declared, validation cut from the training part by "
                          "hash of content",
                 "fingerprint": "b2:7d41c0a95be82f6613", "damaged": [], "notes": []},
        "findings": [],
        "cost": {"seconds": 57.9, "steps": 2345, "epochs": 5.46, "examples_per_second": 6120.4,
                 "parameters": 421642, "peak_memory_bytes": 913_400_000, "device": "cpu",
                 "reading_seconds": 2.1, "learning_seconds": 44.0, "evaluating_seconds": 3.2,
                 "report_seconds": 6.4, "training_flops": 3.1e12, "answer_flops": 2.4e6,
                 "energy_joules": 1130.0,
                 "energy_how": "estimate: 113 seconds of processor cores in use at 10 watts each",
                 "precision": "bfloat16", "threads": 2},
        "settings": {"net": "cnn", "batch_size": 128, "learning_rate": 0.003, "seed": 0,
                     "augment": True, "widths": [32, 64], "budget": {"minutes": 1}},
        "versions": {"lamina": "0.1.0", "python": "3.11.2", "torch": "2.13.0", "numpy": "2.2.1"},
        "model": {"file": "model.safetensors", "bytes": 1_690_112, "sha256": "9c" * 32}, **changed}


def score(name: str, value: float, low: float, high: float, n: int, *, better: str = "higher",
          unit: str = "", help: str = "") -> dict:
    return {"name": name, "value": value, "low": low, "high": high, "n": n, "unit": unit,
            "better": better, "help": help}


def log(steps: int, losses: dict, scores: dict, *, phase: str = "train", every: int = 5) -> list:
    """Lines of a log.jsonl: each name goes from its first to its second value with some noise."""
    chance, lines = random.Random(7), []
    for step in range(every, steps + 1, every):
        def value(pair, noise, share=step / steps):
            first, last, bend = pair
            return (last + (first - last) * math.exp(-bend * share)) * chance.gauss(1, noise)
        line = {"phase": phase, "step": step, "progress": step / steps, "seconds": step / 40,
                "losses": {name: value(pair, 0.12) for name, pair in losses.items()},
                "learning_rate": 0.003}
        if step % (every * 40) == 0 or step == steps:
            line["scores"] = {name: value(pair, 0.002) for name, pair in scores.items()}
        lines.append(line)
    return lines


def digits(count: int) -> list[tuple[numpy.ndarray, str]]:
    """Digits of MNIST's test part where the data are at hand, else drawn bars."""
    if MNIST.exists():
        pixels = gzip.decompress((MNIST / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
        labels = gzip.decompress((MNIST / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
        images = numpy.frombuffer(pixels, numpy.uint8).reshape(-1, 28, 28)
        return [(images[i], str(labels[i])) for i in range(count)]
    drawn = numpy.zeros((count, 28, 28), numpy.uint8)
    for index in range(count):
        drawn[index, 4:24, 4 + index % 10 * 2:8 + index % 10 * 2] = 255
    return [(drawn[index], str(index % 10)) for index in range(count)]


def classification() -> tuple[dict, list, list]:
    chance = random.Random(3)
    counts = [[980 if i == j else 0 for j in range(10)] for i in range(10)]
    for _ in range(103):
        i, j = chance.choice([(4, 9), (9, 4), (3, 5), (7, 2), (7, 9),
                              (chance.randrange(10), chance.randrange(10))])
        counts[i][j] += i != j
    shown = []
    for index, (pixels, label) in enumerate(digits(24)):
        said = label if index % 3 else str((int(label) + 5) % 10)
        probabilities = {str(d): 0.01 for d in range(10)} | {said: 0.91}
        shown.append(report.show(Example(pixels, label), answers.Label(said, probabilities)))
    made = document(
        "image-classification", "mnist",
        [score("accuracy", 0.9897, 0.9876, 0.9917, 10000,
               help="fraction of answers that are right"),
         score("cross-entropy", 0.0341, 0.0279, 0.0408, 10000, better="lower", unit="nats",
               help="surprise at the true label")],
        {"most frequent label": (0.1135, 0.1073, 0.1198),
         "nearest mean image": (0.8203, 0.8126, 0.8279)},
        confusion={"labels": [str(d) for d in range(10)], "counts": counts},
        findings=[{"level": "hint", "what": "still improving when the time was over",
                   "evidence": "The validation accuracy rose by 0.2 % in the last fifth.",
                   "do": "Give it more time."}])
    made["data"]["damaged"] = ["7/00121.png: not a readable image (cut short)",
                               "3/a-name-without-any-place-to-break-it-" + "x" * 80 + ".png: empty"]
    made["data"]["notes"] = ["28 by 28 pixels, grey; read from idx files"]
    lines = log(2345, {"cross-entropy": (2.4, 0.02, 9)}, {"accuracy": (0.86, 0.9905, 6)})
    return made, lines, shown


def text_generation() -> tuple[dict, list, list]:
    made = document(
        "text-generation", "tiny-shakespeare",
        [score("nats per character", 1.6123, 1.5987, 1.6259, 218, better="lower", unit="nats",
               help="surprise at the next character")],
        {"character frequencies": (3.3202, 3.3109, 3.3295), "previous two": (2.1, 2.08, 2.12)},
        findings=[{"level": "warning", "what": "It learns the training text by heart.",
                   "evidence": "Training loss 1.21, validation loss 1.58, rising since step 900.",
                   "do": "Raise --dropout, or give it more text."}])
    play = "ROMEO:\nWhat say'st thou, man? the night is deep,\nAnd I have sworn to keep it.\n\n" * 4
    shown = [report.show(Example("ROMEO:\n"), answers.Text(play)),
             report.show(Example("First Citizen:\nBefore we proceed any further, hear me speak.\n"),
                         answers.Text("All:\nSpeak, speak.\n"))]
    lines = log(4000, {"cross-entropy": (4.1, 1.2, 5)}, {"nats per character": (2.6, 1.58, 6)})
    return made, lines, shown


def control() -> tuple[dict, list, list]:
    pytest.importorskip("gymnasium")
    made = document("control", "CartPole-v1",
                    [score("return", 489.3, 478.1, 497.6, 100,
                           help="sum of rewards of an episode")],
                    {"random actions": (22.1, 20.2, 24.4), "always left": (9.3, 9.2, 9.5)})
    shown = [report.show(Example(f"seed {seed}"), Episode("CartPole-v1", seed, [0, 1] * 10,
                                                                  [1.0] * 20)) for seed in (1, 2)]
    return made, log(50000, {"temporal difference": (0.05, 0.9, 3)}, {"return": (20, 490, 4)},
                     every=250), shown


def regression() -> tuple[dict, list, list]:
    made = document(
        "table-prediction", "california-housing",
        [score("rmse", 47213.4, 45120.9, 49388.0, 2064, better="lower", unit="USD",
               help="root of the mean squared error"),
         score("mae", 30980.2, 29766.1, 32200.7, 2064, better="lower", unit="USD",
               help="mean absolute error")],
        {"mean": (115_301, 112_400, 118_150), "linear model": (68_902, 66_010, 71_733)})
    row = {"longitude": -122.23, "latitude": 37.88, "housing_median_age": 41, "total_rooms": 880,
           "total_bedrooms": None, "population": 322, "ocean_proximity": "NEAR BAY"}
    shown = [report.show(Example({**row, "total_rooms": 880 + i}, 452600.0 - 3000 * i),
                         answers.Number(438211.5, "USD")) for i in range(6)]
    lines = log(300, {"autoencoder": (0.9, 0.2, 4)}, {}, phase="pretraining")
    lines += log(3000, {"squared error": (1.0, 0.14, 6)}, {"rmse": (82e3, 46e3, 6)}, every=20)
    return made, lines, shown


def hostile() -> tuple[dict, list, list]:
    """Everything that a user names is markup, very long, or both."""
    labels = [HOSTILE, "a" * 10_000, "</style><img src=x onerror=alert(1)>", '" onload="x',
              "e\u202ef", "\N{PILE OF POO}" * 50,
              "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd"]
    made = document(
        "image-classification", HOSTILE,
        [score(HOSTILE, 0.5, 0.4, 0.6, 40, unit="<b>", help=HOSTILE)],
        {HOSTILE: (0.45, 0.38, 0.52)}, command=f"lamina train {HOSTILE}",
        confusion={"labels": labels, "counts": numpy.eye(7, dtype=int) * 8 + 1},
        findings=[{"level": '"><script>', "what": HOSTILE, "evidence": HOSTILE, "do": HOSTILE,
                   "examples": [{"part": HOSTILE, "index": 3, "name": HOSTILE, "note": "n" * 9000,
                                 "html": drawn(HOSTILE, HOSTILE)}]}],
        facts={"labels": labels, "columns": [{"name": HOSTILE, "kind": "k" * 9000}],
               "useless": [HOSTILE], "environment": HOSTILE},
        settings={HOSTILE: HOSTILE, "nested": {HOSTILE: [HOSTILE]}}, versions={"x": HOSTILE})
    made["data"].update(split=HOSTILE, source=HOSTILE, damaged=[HOSTILE, "\udcff.png: no"],
                        notes=[HOSTILE])
    shown = [report.show(Example(HOSTILE, HOSTILE), answers.Label(HOSTILE, {HOSTILE: 0.9})),
             report.show(Example({HOSTILE: HOSTILE}, "b"), answers.Label("a", {"a": 0.9})),
             report.show(Example(File(Path(f'{HOSTILE}/"><b>.png')), HOSTILE),
                         answers.Text(HOSTILE))]
    lines = [{"phase": HOSTILE, "step": s, "losses": {HOSTILE: 1 / s}, "scores": {HOSTILE: 0.4}}
             for s in (1, 2)]
    return made, lines, shown


RUNS = [classification, text_generation, control, regression, hostile]


def written(make, folder: Path) -> Path:
    """The folder of a run with its report."""
    made, lines, shown = make()
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    report.write(folder, made, shown)
    return folder


# ---- the page without a browser -------------------------------------------------------------


class Page(HTMLParser):
    """The tags and the text of a page, and whether every tag is closed."""

    VOID = {"meta", "link", "img", "br"}

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.parametrize("make", RUNS)
def test_page_is_well_formed_and_asks_for_nothing(make, tmp_path):
    text = (written(make, tmp_path) / "report.html").read_text()
    page = Page(text)
    names = [name for name, _ in page.tags]
    assert "script" not in names and "iframe" not in names
    ids = [a["id"] for _, a in page.tags if "id" in a]
    for name, attributes in page.tags:
        for key in ("src", "href"):
            address = attributes.get(key, "data:")
            assert address.startswith("data:") or (name == "a" and address[1:] in ids)
        assert not any(key.startswith("on") for key in attributes)
    policy = next(a["content"] for n, a in page.tags if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert len(ids) == len(set(ids))


def test_words_of_users_are_escaped(tmp_path):
    text = (written(hostile, tmp_path) / "report.html").read_text()
    assert html.escape(HOSTILE) in text or HOSTILE.replace("<", "&lt;").split('"')[0] in text
    assert "<script" not in text and "<img src=x" not in text and "<b>.png" not in text


def test_first_screen_says_how_good_how_sure_and_compared_to_what():
    text = " ".join("".join(Page(report.render(*classification())).words).split())
    for words in ("98.97 %", "98.76 %", "99.17 %", "10,000 test examples", "nearest mean image",
                  "Clearly better than the best answer that needs no learning (nearest mean image: "
                  "82.03 %)", "lamina predict runs/mnist INPUT", "Train for longer"):
        assert words in text.replace("\N{NO-BREAK SPACE}", " "), words


def test_verdict_follows_the_intervals_and_the_direction():
    made, *_ = regression()
    assert report.verdict(made)[0] == "good"
    made["scores"][0].update(value=69000, low=67000, high=71000)
    assert report.verdict(made)[0] == "unsure"
    made["scores"][0].update(value=90000, low=88000, high=92000)
    assert report.verdict(made)[0] == "bad"
    made["baselines"] = []
    assert report.verdict(made) == ("unsure", "No baseline was measured, so there is nothing to "
                                              "compare with.")


def test_report_json_is_the_document_and_holds_no_nan(tmp_path):
    made, _, _ = classification()
    made["scores"][1]["value"] = float("nan")
    made["cost"]["seconds"] = numpy.float32(57.5)
    report.write(tmp_path, made, [])
    found = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert found["scores"][1]["value"] is None and found["cost"]["seconds"] == 57.5
    assert found["scores"][0] == made["scores"][0] and list(found) == list(made)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "report.html", "report.json", "report.md"]


def test_a_run_with_almost_nothing_measured_still_has_a_report(tmp_path):
    made, *_ = classification()
    made.update(scores=[], baselines=[], findings=[], confusion=None)
    made["cost"] = {"seconds": 1.0, "peak_memory_bytes": None}
    (tmp_path / "log.jsonl").write_text('{"step": 1, "losses": {"loss": NaN}}\n{"step": 2, "lo')
    report.write(tmp_path, made, [])
    assert "No score was measured" in (tmp_path / "report.html").read_text()
    made["scores"] = [score("accuracy", 1.0, 1.0, 1.0, 3)]
    assert "100" in report.render(made, [], [])
    made["scores"] = [score("rmse", None, None, None, 3, better="lower")]
    assert "rmse" in report.render(made, [], []) and "rmse" in report.to_text(made)


def test_many_labels_give_the_most_confused_pairs():
    counts = numpy.eye(30, dtype=int) * 50
    counts[3, 4] = 9
    counts[5, 6] = 12
    found = chart.confusion({"labels": [f"label {i}" for i in range(30)], "counts": counts})
    assert found["rows"] == [] and [p["true"] for p in found["pairs"]] == ["label 5", "label 3"]
    assert found["pairs"][0]["share"].startswith("19.4")


def test_wrong_answers_come_first():
    page = Page(report.render(*classification()))
    wrong = [a.get("class") == "wrong" for n, a in page.tags if n == "figure"][-24:]
    assert wrong == [True] * 8 + [False] * 16


def test_large_pictures_are_scaled_down_and_unreadable_ones_named(tmp_path):
    from PIL import Image

    Image.new("RGB", (3000, 1500), "red").save(tmp_path / "large.png")
    shown = report.show(Example(File(tmp_path / "large.png")), answers.Number(1.0))
    assert len(shown.example_html) < 3000 and "large.png" in shown.example_html
    (tmp_path / "bad.png").write_bytes(b"no")
    assert "not readable" in report.show(Example(File(tmp_path / "bad.png")),
                                         answers.Number(1.0)).example_html


def test_the_module_answers_as_the_verb_of_its_name(tmp_path):
    import lamina

    written(regression, tmp_path)
    assert lamina.report is report
    assert lamina.report(tmp_path)["task"] == "table-prediction"


def test_terminal_summary():
    text = report.to_text(classification()[0]).replace("\N{NO-BREAK SPACE}", " ")
    lines = text.splitlines()
    assert 8 <= len(lines) <= 20 and max(map(len, lines)) <= 120
    for words in ("98.97 %", "98.76 % to 99.17 %", "10,000 test examples", "82.03 %", "57.9 s",
                  "runs/mnist/report.html"):
        assert words in text


# ---- charts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("low, high", [(0, 1), (0.98, 0.9917), (-250, 500), (3, 3), (0, 0),
                                       (45120.9, 118150), (1e-7, 3e-7)])
def test_ticks_are_few_round_and_cover_the_range(low, high):
    found = chart.ticks(low, high)
    assert found[0] <= low + 1e-9 * abs(low) and found[-1] >= high * (1 - 1e-9) and len(found) <= 8
    step = found[1] - found[0]
    assert f"{step:.0e}"[0] in "125"


def test_log_ticks_cover_the_range():
    for low, high in ((0.012, 2.3), (1e-6, 40), (1, 25), (0.5, 11)):
        found = chart.log_ticks(low, high)
        assert found[0] <= low and found[-1] >= high and 2 <= len(found) <= 10


def test_long_curves_are_drawn_as_means_with_their_range():
    drawn = chart.curve([(step, 1 + step % 7) for step in range(1, 10_001)], name="loss")
    assert len(drawn) < 9000 and 'class="range"' in drawn
    assert 'class="range"' not in chart.curve([(1, 1.0), (2, 0.5)], name="loss")
    assert "circle" in chart.curve([(5, 0.25)], name="one point")


def test_numbers_carry_as_many_digits_as_their_interval_supports():
    shown = report.readable(score("accuracy", 0.98974, 0.9876, 0.9917, 10000))
    assert shown["value"] == "98.97\N{NO-BREAK SPACE}%"
    shown = report.readable(score("rmse", 47213.4, 45120.9, 49388, 9, better="lower", unit="USD"))
    assert shown["value"] == "47,213\N{NO-BREAK SPACE}USD"
    shown = report.readable(score("error", 0.0157, 0.013, 0.018, 9, better="lower"))
    assert shown["value"] == "0.0157"


# ---- the page in a browser ------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium():
    with browser() as found:
        yield found


@pytest.mark.parametrize("make", RUNS)
def test_page_in_a_browser(make, chromium, tmp_path):
    address = (written(make, tmp_path) / "report.html").as_uri()
    for width in (1280, 390, 320):
        for scheme in ("light", "dark"):
            chromium.open(address, width=width, scheme=scheme)
            chromium.run("document.querySelectorAll('details').forEach(d => d.open = true)")
            found = chromium.audit()
            assert found.pop("texts") > 40 and found.pop("page") == 0
            found.pop("images")
            assert not any(found.values()), (width, scheme, found)
            assert [url for url in chromium.requests() if not url.startswith("data:")] == [address]
            assert chromium.errors() == []


def test_the_audit_sees_faults(chromium, tmp_path):
    (tmp_path / "bad.html").write_text(
        "<!doctype html><body style='color:#aaa;background:#fff'><h1>a</h1><h3>b</h3>"
        "<div style='width:900px'>wide</div><img src='data:image/png;base64,AAAA'>"
        "<img alt='x' src='http://127.0.0.1:9/x.png'><div style='overflow:auto;width:50px'>"
        "<p style='width:90px'>c</p></div><script>undefined_name()</script>")
    chromium.open((tmp_path / "bad.html").as_uri(), width=360)
    found = chromium.audit()
    assert all(found[kind] for kind in ("wide", "pale", "headings", "pictures", "page", "scripts"))
    assert len(found["unnamed"]) == 2 and len(found["pictures"]) == 2
    assert any("undefined_name" in message for message in chromium.errors())
    assert any(url.startswith("http://127.0.0.1:9") for url in chromium.requests())


def test_page_works_with_the_keyboard_alone(chromium, tmp_path):
    chromium.open((written(classification, tmp_path) / "report.html").as_uri(), width=1280)
    for _ in range(30):
        chromium.press("Tab")
        if chromium.run("return document.activeElement.textContent") == "Settings":
            break
    chromium.press("Enter")
    assert chromium.run("return document.activeElement.parentElement.open")


def test_print_is_dark_on_white_and_shows_the_settings(chromium, tmp_path):
    chromium.open((written(classification, tmp_path) / "report.html").as_uri(), width=720,
                  scheme="dark", media="print")
    assert chromium.run("return getComputedStyle(document.body).backgroundColor") == \
        "rgb(255, 255, 255)"
    assert chromium.run("return [...document.querySelectorAll('th')].find(h => h.textContent == "
                        "'batch_size').getBoundingClientRect().height > 0")
    found = chromium.audit()
    assert found["pale"] == found["wide"] == [] and found["page"] == 0
