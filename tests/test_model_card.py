"""report.md and the cards: what was measured, what was not, and text of users that stays text."""

import html
import re

import numpy
import pytest
from test_report import HOSTILE, classification, hostile, regression, written

import lamina.report as report
from lamina.report.card import data_card, model_card
from lamina.report.markup import fenced, safe, table
from lamina.report.plain import to_plain


def known(**changed) -> dict:
    made, *_ = classification()
    made["data"]["source"] = "mnist"
    facts = {"labels": [str(d) for d in range(10)], "size": 28, "channels": 1}
    return {**made, "facts": facts, **changed}


def test_data_card_names_the_licence_of_a_known_data_set():
    from lamina.datasets import CATALOGUE

    card = dict(data_card(known()))
    assert card["Licence"] == [CATALOGUE["mnist"].licence]
    assert CATALOGUE["mnist"].page in card["From"][0]
    assert "55,000 to learn from" in card["Parts"][0] and "hash" in card["How they were divided"][0]
    made, *_ = classification()
    assert "not known" in dict(data_card(made))["Licence"][0]


def test_model_card_says_what_goes_in_what_comes_out_and_how_good_it_is():
    card = dict(model_card(known()))
    assert card["What goes in"] == ["image, scaled to 28 by 28 pixels, in grey"]
    assert card["What comes out"][0].startswith("one of 10 labels")
    assert "98.76" in card["How good it is"][0] and "10,000 test examples" in \
        card["How good it is"][0]


def test_model_card_lists_what_was_not_tested_and_only_that():
    lacking = " ".join(dict(model_card(known()))["What was not tested"])
    for words in ("other sources", "Attacks", "groups", "which examples it learnt from", "seed",
                  "certainty"):
        assert words in lacking
    tested = known(robustness={}, fairness={}, membership={}, seeds={}, calibration={},
                   explanations={})
    assert len(dict(model_card(tested))["What was not tested"]) == 1


def test_limits_are_the_errors_and_warnings():
    findings = [{"level": level, "what": f"{level} seen", "evidence": "n = 3", "do": "look"}
                for level in ("hint", "warning", "error")]
    limits = dict(model_card(known(findings=findings)))["Limits that were found"]
    assert limits == ["error seen (n = 3)", "warning seen (n = 3)"]
    assert "proves no absence" in dict(model_card(known(findings=[])))["Limits that were found"][0]


def test_markdown_holds_the_scores_the_findings_and_the_commands(tmp_path):
    text = (written(classification, tmp_path) / "report.md").read_text()
    plain = text.replace("\N{NO-BREAK SPACE}", " ")
    for words in ("# mnist", "| accuracy | 98.97 % | 98.76 % to 99.17 % | 10,000 | 11.35 % |",
                  "**hint: still improving when the time was over.**", "lamina predict",
                  "## Model card", "## Data card", "## Cost", "| 7 | 9 |", "## How to repeat it"):
        assert words in plain, words
    assert not re.search(r"\bNone\b(?! of)|\bnan\b|Undefined", text)


def test_markdown_without_scores_or_with_broken_ones():
    made, *_ = regression()
    made.update(scores=[], baselines=[])
    assert "No score was measured." in report.to_markdown(made)
    made["scores"] = [{"name": "rmse", "value": None, "low": None, "high": None, "n": 3,
                       "unit": "", "better": "lower", "help": ""}]
    assert "| rmse | – |" in report.to_markdown(made)


@pytest.mark.parametrize("text", [
    HOSTILE, "[link](javascript:alert(1))", "![i](http://x/y.png)", "a | b", "# title", "1. first",
    "- item", "+ item", "`code`", "**bold**", "_u_", "~~s~~", "<!-- c -->", "a\n\n# b", "&lt;",
    "\\", "| --- |", "\u202eabc", "$x$", "\x00\x1b[31mred"])
def test_text_of_users_stays_text_in_markdown(text):
    markdown_it = pytest.importorskip("markdown_it")
    parser = markdown_it.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    drawn = parser.render(safe(text))
    shown = html.unescape(re.sub("<[^>]*>", "", drawn)).strip()
    assert re.findall(r"</?(\w+)", drawn) == ["p", "p"]
    assert shown == " ".join(re.sub("[\x00\x1b\u202e]", "", text).split())
    cells = parser.render(table(["a", "b"], [[text, "end"]]))
    assert cells.count("<td>") == 2 and "<td>end</td>" in cells


def test_a_fence_cannot_be_closed_by_what_is_in_it():
    assert fenced("a ``` b\n```\nc").startswith("````sh\n")


def test_hostile_names_give_no_tag_in_markdown(tmp_path):
    text = (written(hostile, tmp_path) / "report.md").read_text()
    outside = re.sub(r"```sh\n.*?\n```", "", text, flags=re.S)
    assert "<" not in outside and "\u202e" not in outside


def test_a_long_label_and_a_thousand_of_them_stay_short(tmp_path):
    labels = [f"class {i}" for i in range(999)] + ["x" * 10_000]
    made = known(facts={"labels": labels})
    made["confusion"] = {"labels": labels, "counts": numpy.eye(1000, dtype=int).tolist()}
    made["confusion"]["counts"][999][0] = 3
    card = dict(data_card(made))["Labels"][0]
    assert "and 970 more" in card and len(card) < 600
    assert len(report.to_markdown(made)) < 12_000
    assert len(report.render(made, [], [])) < 120_000


# ---- sections of the page as text -----------------------------------------------------------


def test_sections_become_headings_paragraphs_lists_and_tables():
    text = to_plain(
        '<section><h2>Title</h2><p class="soft">Some <b>words</b>.</p><ul><li>one</li><li>two</li>'
        '</ul><div class="box"><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><th>x'
        '</th><td><b>1</b> <small>of 2</small></td></tr></tbody></table></div>'
        '<svg aria-hidden="true"><text>unseen</text></svg><svg role="img" aria-label="a curve">'
        '<text>unseen</text></svg><dl><dt>name</dt><dd>value</dd></dl>'
        '<img alt="a digit" src="data:,"><details><summary>more</summary><pre>a * b</pre></details>'
        "</section>")
    assert text == (
        "## Title\n\nSome words.\n\n- one\n- two\n\n| a | b |\n| --- | --- |\n| x | 1 (of 2) |\n\n"
        "Drawn: a curve\n\n- **name**: value\n\n(a digit)\n\n**more**\n\na \\* b")


def test_charts_become_their_numbers():
    from lamina.report import chart

    rows = to_plain(chart.intervals([("women", 0.12, 0.1, 0.14)], "fraction"))
    assert rows.replace("\N{NO-BREAK SPACE}", " ") == "- women 12.0 % (10.0 to 14.0 %)"
    line = to_plain(chart.lines([chart.Line("plain", [(0, 1), (2, 0.5)]),
                                 chart.Line("other", [(0, 1)])], across="x", up="y"))
    assert line == "Drawn: y against x. plain: 0.500 at 2; other: 1.000 at 0"


def test_report_verb_prints_the_markdown(tmp_path, capsys):
    from lamina import cli

    folder = written(classification, tmp_path)
    assert cli.main(["report", str(folder), "--markdown"]) == 0
    assert capsys.readouterr().out == (folder / "report.md").read_text()
