"""The page of real runs with every section: complete, readable everywhere, asking for nothing."""

import base64
import csv
import random
from pathlib import Path

import pytest
from browser import browser
from test_report import Page, classification

import lamina
import lamina.insight as insight
import lamina.report as report

PAGE = Path(report.__file__).parents[1] / "page"
EXAMPLES = 30  # of a planted finding; twelve are shown

# What only dearer runs have, as those wrote it.
LEARNING_CURVE = {
    "metric": "accuracy", "better": "higher", "unit": "fraction",
    "points": [{"run": f"runs/digits-{n}", "examples": n, "value": v, "low": v - 0.03,
                "high": v + 0.02} for n, v in ((180, 0.914), (722, 0.951), (1445, 0.969))],
    "more": [{"times": 2.0, "examples": 2890, "value": 0.98, "low": 0.97, "high": 0.985},
             {"times": 10.0, "examples": 14450, "value": 0.99, "low": 0.97, "high": 0.997}]}
CODES = {
    "examples": 40, "of": 80, "numbers": 8, "unused": 1,
    "map": {"how": "t-SNE", "points": [[i % 7, i % 5] for i in range(40)],
            "labels": [str(i % 10) for i in range(40)]},
    "clusters": {"count": 2, "purity": 0.6, "adjusted_rand": 0.3, "rows": [
        {"size": 20, "labels": [{"label": "7", "share": 0.8}]} for _ in range(2)]}}
SAMPLES = {"table": {}, "ways": {}, "pairs": {}, "made": 64, "known": 5000, "of": 60000,
           "distance_of_made": 41.2, "distance_of_real": 40.1, "copying": 0.4}
PRIVACY = {"epsilon": 2.94, "delta": 1e-5, "epsilon_allowed": 3.0, "most_hits": 0.17,
           "unit": "one training example, added or removed", "clipping_norm": 1.0,
           "noise_multiplier": 0.9, "sampling_rate": 0.01, "steps": 900, "accountant": "PRV"}


def people(path: Path) -> Path:
    """A table in which men are paid more than women of the same age and hours."""
    chance = random.Random(1)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["age", "hours", "job", "sex", "race", "income"])
        for _ in range(900):
            sex, race = chance.choice(["Female", "Male"]), chance.choice("ABB")
            age, hours = chance.randrange(18, 80), chance.randrange(10, 60)
            paid = age + 1.5 * hours + 20 * (sex == "Male") + chance.gauss(0, 12)
            table.writerow([age, hours, chance.choice("xyz"), sex, race,
                            ">50K" if paid > 115 else "<=50K"])
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """(folder, report) of a training on pictures and of one on rows with groups of people."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(insight, "allowance", lambda seconds: 30.0)
        trained = [lamina.train(task, data, steps=30, evaluations=2, threads=1, say=len,
                                run=str(folder / name), **more)
                   for task, data, name, more in (
                       ("image-classification", "digits", "digits", {"profile": True}),
                       ("table-prediction", people(folder / "people.csv"), "people",
                        {"groups": ("sex", "race")}))]
    return [(one.folder, one.report) for one in trained]


@pytest.fixture(scope="module")
def full(runs, tmp_path_factory):
    """The folder of a run whose report has every section, and a finding with many examples."""
    (pictures, document), (_, rows) = runs
    thumbnail = classification()[2][0].example_html
    finding = {"level": "error", "what": "test images stand in the training part",
               "evidence": "30 of 185", "do": "remove them", "examples": [
                   {"part": "test", "index": i, "name": f"{i}.png", "note": f"as train {i}",
                    "html": thumbnail} for i in range(EXAMPLES)]}
    hints = [{"level": "hint", "what": f"hint {i}", "evidence": "", "do": "look"}
             for i in range(9)]
    explained = [{**one, "html": thumbnail} for one in document["explanations"]["explained"]]
    robustness = {**document["robustness"], "sheet": [
        {**one, "html": thumbnail} for one in document["robustness"]["sheet"]]}
    made = {**document, "explanations": {**document["explanations"], "explained": explained},
            "robustness": robustness,
            "fairness": rows["fairness"], "learning_curve": LEARNING_CURVE,
            "codes": CODES, "samples": SAMPLES, "privacy": PRIVACY, "findings": [*hints, finding]}
    folder = tmp_path_factory.mktemp("full")
    for name in ("log.jsonl", "settings.json"):
        (folder / name).write_bytes((pictures / name).read_bytes())
    report.write(folder, made, classification()[2])
    return folder, made


@pytest.fixture(scope="module")
def chromium():
    with browser() as found:
        yield found


def address(folder: Path) -> str:
    return (folder / "report.html").as_uri()


# ---- complete -------------------------------------------------------------------------------


def test_every_section_is_there_and_in_the_list_of_contents(full):
    folder, made = full
    topics = [name for name in report.TOPICS if (PAGE / f"{name}.html.jinja").is_file()]
    missing = set(topics) - set(made) - {"seeds"}
    assert not missing, f"the runs measured no {missing}"
    tags = Page((folder / "report.html").read_text()).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    links = [attributes["href"][1:] for name, attributes in tags if name == "a"]
    for anchor in ("result", "next", "scores", "curves", "confusion", "answers", "cost", "data",
                   "model", "repeat", *(name for name in topics if name in made)):
        assert anchor in ids and anchor in links, anchor
    assert set(links) <= set(ids)


def test_every_section_of_the_page_is_in_the_markdown(full):
    folder, made = full
    text = (folder / "report.md").read_text()
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert len(titles) == len(set(titles)) == 7 + len(report.sections(made))
    assert "\\{" not in text and "Drawn: " in text and "test images stand in the training" in text


def test_findings_are_urgent_first_folded_and_show_twelve_of_their_examples(full):
    page = Page((full[0] / "report.html").read_text())
    words = " ".join("".join(page.words).split())
    assert words.index("Error: test images") < words.index("Hint: hint 0")
    assert "1 error, 9 hints. First: test images stand in the training part" in words
    assert "30 examples" in words and "and 18 more in report.json" in words
    assert "as train 11" in words and "as train 12" not in words
    assert "and 5 more" in words  # five findings open, five folded


def test_report_json_holds_no_html_and_the_page_is_small(full, runs):
    assert '"html"' not in (full[0] / "report.json").read_text()
    for folder in (full[0], *(folder for folder, _ in runs)):
        assert (folder / "report.html").stat().st_size < 1_500_000


# ---- in a browser ---------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1280, 390, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_full_page_fits_is_legible_and_asks_for_nothing(full, chromium, width, scheme):
    chromium.open(address(full[0]), width=width, scheme=scheme)
    chromium.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = chromium.audit()
    assert found.pop("texts") > 300 and found.pop("page") == 0 and found.pop("images") > 30
    assert not any(found.values()), found
    assert [u for u in chromium.requests() if not u.startswith("data:")] == [address(full[0])]
    assert chromium.errors() == []


def test_pages_of_runs_fit_a_phone(runs, chromium):
    for folder, _ in runs:
        chromium.open(address(folder), width=320, scheme="dark")
        chromium.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        found = chromium.audit()
        assert found["page"] == 0 and not found["wide"] and not found["pale"], found


def test_first_screen_of_a_desk_answers_the_four_questions(full, chromium):
    chromium.open(address(full[0]), width=1280, height=800)
    for words in ("accuracy", "95 % interval", "Compared to what", "First: test images"):
        assert chromium.run(
            "const walk = document.createTreeWalker(document.querySelector('main'), 4);"
            "while (walk.nextNode()) if (walk.currentNode.textContent.includes(arguments[0]"
            f" ?? {words!r})) return walk.currentNode.parentElement.getBoundingClientRect().bottom"
        ) < 800, words


def test_keyboard_goes_down_the_page_from_the_skip_link(full, chromium):
    chromium.open(address(full[0]), width=1280)
    places, names = [], []
    for _ in range(40):
        chromium.press("Tab")
        place, name, ring = chromium.run(
            "const e = document.activeElement, s = getComputedStyle(e);"
            "return [[...document.querySelectorAll('*')].indexOf(e), e.className || e.tagName,"
            "        s.outlineStyle]")
        places.append(place)
        names.append(name)
        assert ring != "none", f"focus on {name} cannot be seen"
    assert names[0] == "skip" and places == sorted(set(places))
    assert {"A", "SUMMARY"} <= set(names)
    chromium.open(address(full[0]), width=1280)
    chromium.press("Tab")
    chromium.press("Enter")
    assert chromium.run("return location.hash + document.activeElement.id") == "#resultresult"


def test_page_needs_no_script(full, chromium):
    chromium.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(address(full[0]), width=390)
        tree = chromium.devtools("Accessibility.getFullAXTree")["nodes"]
        names = [node.get("name", {}).get("value", "") for node in tree if not node["ignored"]]
        for words in ("What to do next", "Data card", "Model card", "What it cost"):
            assert words in names
        assert any(name.startswith("accuracy against") for name in names), "a curve has a name"
    finally:
        chromium.devtools("Emulation.setScriptExecutionDisabled", value=False)


def test_print_fits_the_paper_and_unfolds_everything(full, chromium):
    chromium.open(address(full[0]), width=720, scheme="dark", media="print")
    found = chromium.audit()
    assert found["page"] == 0 and found["wide"] == [] and found["pale"] == []
    assert chromium.run("return [...document.querySelectorAll('details > :not(summary)')].every("
                        "e => e.getBoundingClientRect().height > 0)")
    assert chromium.run("return getComputedStyle(document.querySelector('nav')).display") == "none"
    paper = base64.b64decode(chromium.devtools("Page.printToPDF", printBackground=True)["data"])
    assert paper.startswith(b"%PDF") and 3 < paper.count(b"/Type /Page\n") < 40


def test_a_screen_reader_meets_one_heading_a_section(full, chromium):
    chromium.open(address(full[0]), width=1280)
    assert chromium.run(
        "return [...document.querySelectorAll('main section')].filter("
        "s => s.querySelectorAll('h2').length < 1).map(s => s.id || s.className)") == []
    assert chromium.run("return document.querySelectorAll('h1').length") == 1
