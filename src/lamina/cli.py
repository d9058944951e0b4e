"""The command line: `lamina VERB …`. Exit codes: 0 done, 2 your mistake, 1 ours, 130/143 stopped.

    lamina train image-classification photos/ --minutes 5
"""

import time

BEGAN = time.monotonic()  # before anything heavy is imported: --minutes counts from here

import atexit  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import shlex  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from lamina import __version__, interrupt  # noqa: E402
from lamina.arguments import Flags, Verb, described, parse  # noqa: E402
from lamina.errors import UserError  # noqa: E402
from lamina.uncompiled import postpone_compiler  # noqa: E402

VERBS = {
    "tasks": Verb("", "every kind of problem, with one line on each"),
    "sample": Verb("TASK FOLDER", "write a tiny data set in the format that the task reads"),
    "data": Verb("", "the public data sets that are known by name"),
    "check": Verb("TASK DATA", "what may be wrong with a data set, before training"),
    "train": Verb("TASK DATA", "train, judge and save a model; --minutes 5 is all it needs"),
    "resume": Verb("RUN", "go on with a run that was interrupted, bit for bit"),
    "evaluate": Verb("MODEL [DATA]", "scores of a model, with their intervals"),
    "predict": Verb("MODEL [INPUT ...]", "answers to files, folders, texts or rows"),
    "explain": Verb("MODEL [INPUT ...]", "which parts of an input made the answer what it is"),
    "attack": Verb("MODEL [DATA]", "how far the score falls under attacks and corruptions"),
    "report": Verb("RUN", "the report of a run, as text; the page is report.html beside it"),
    "compare": Verb("RUN RUN ...", "is one run really better than another?"),
}


def process() -> None:
    """One command as a process that is all its own, and that ends at once: taking torch and the
    data apart, object by object, takes as long as a short prediction.
    """
    postpone_compiler()
    code = main()
    atexit._run_exitfuncs()
    sys.stderr.flush()
    os._exit(code)


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; gives its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    interrupt.install()
    try:
        code = command(words)
        sys.stdout.flush()
        return code
    except UserError as mistake:
        print(f"lamina: {mistake}", file=sys.stderr)
        return 2
    except interrupt.Stopped as stopped:
        go_on = stopped.command or (stopped.folder and f"lamina resume {stopped.folder}")
        print("stopped before learning began; nothing was saved" if go_on is None else
              f"stopped and saved; go on with: {go_on}", file=sys.stderr)
        return 128 + stopped.number
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def command(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"lamina {__version__}")
        return 0
    verb, rest = words[0], words[1:]
    if verb not in VERBS:
        from lamina.errors import nearest

        raise UserError(f"no verb is called {verb!r}: {nearest(verb, VERBS)}")
    return globals()[f"do_{verb}"](rest)


def overview() -> str:
    """What `lamina --help` prints."""
    lines = ["Data and minutes in; a trained, honestly measured, portable deep model out.", ""]
    lines += [f"  lamina {name:9}{verb.places:20}{verb.help}" for name, verb in VERBS.items()]
    lines += ["", "  lamina VERB --help                  the flags of a verb",
              "  lamina train TASK --help            the settings of a task",
              "", "First steps:", "  lamina sample image-classification my-photos",
              "  lamina train image-classification my-photos --minutes 1"]
    return "\n".join(lines)


def do_tasks(words: list[str]) -> int:
    parse("tasks", VERBS["tasks"], words, {})
    from lamina import tasks

    for name in tasks.names():
        print(f"{name:24}{tasks.summary(name)}")
    return 0


def do_sample(words: list[str]) -> int:
    (task, folder), _ = parse("sample", VERBS["sample"], words, {})
    from lamina import verbs

    path = verbs.sample(task, folder)
    print(f"wrote {path}; try: lamina train {task} {path} --minutes 1")
    return 0


def do_data(words: list[str]) -> int:
    parse("data", VERBS["data"], words, {})
    from lamina import datasets

    for row in datasets.table():
        print(f"{row.name:20}{row.size / 1e6:9,.1f} MB  {row.count:24}{row.licence}")
        print(f"{'':20}{row.what}; {', '.join(row.tasks)}; from: {row.where}")
    return 0


def do_train(words: list[str]) -> int:
    if not words or words[0].startswith("-"):
        parse("train", VERBS["train"], words, {})
    from lamina import tasks, verbs
    from lamina.options import Options
    from lamina.show import Display

    kind = tasks.find(words[0])
    verb = Verb("TASK DATA", tasks.summary(words[0]))
    flags = described(kind.Settings) | described(Options)
    (task, data), choices = parse("train", verb, words, flags)
    with Display() as display:
        trained = verbs.train(task, data, watch=display, say=display.say, began=BEGAN,
                              command=shlex.join(["lamina", "train", *words]), **choices)
    return summary(trained)


def do_resume(words: list[str]) -> int:
    (run,), _ = parse("resume", VERBS["resume"], words, {})
    from lamina import verbs
    from lamina.show import Display

    with Display() as display:
        trained = verbs.resume(run, watch=display, say=display.say)
    return summary(trained)


def summary(trained) -> int:
    from lamina.report import to_text

    print(to_text(trained.report))
    return 0


def do_evaluate(words: list[str]) -> int:
    flags: Flags = {"part": (str, "train, validation, test or all"),
                    "groups": (str, "columns whose groups get scores of their own: sex,race"),
                    "json": (bool, "print JSON"), "offline": (bool, "never use the network")}
    places, choices = parse("evaluate", VERBS["evaluate"], words, flags)
    from lamina import verbs
    from lamina.report import score_lines
    from lamina.settings import convert

    as_json = choices.pop("json", False)
    if "groups" in choices:
        choices["groups"] = convert(choices["groups"], tuple[str, ...], "groups")
    scores = verbs.evaluate(*places, **choices)
    print(json.dumps(scores, indent=2) if as_json else score_lines(scores))
    return 0


def do_predict(words: list[str]) -> int:
    flags: Flags = {"json": (bool, "print one JSON object per line"),
                    "save": (Path, "write the answer to this file (.png, .gif, .txt, .json …); "
                                   "several answers get numbers, or one .parquet or .npz"),
                    "coverage": (float, "chance that the set of labels or the interval holds the "
                                        "truth, such as 0.8")}
    (model, *inputs), choices = parse("predict", VERBS["predict"], words, flags, any_flag=True)
    as_json, save = choices.pop("json", False), choices.pop("save", None)
    from lamina import verbs
    from lamina.settings import convert

    if "coverage" in choices:
        choices["coverage"] = convert(choices["coverage"], float, "coverage")
    if save is not None and save.suffix in (".parquet", ".npz"):
        count = verbs.predict_table(model, inputs, save, **choices)
        print(f"wrote {save}: {count:,} answers", file=sys.stderr)
        return 0
    for number, answer in enumerate(verbs.predict(model, inputs, **choices)):
        if save is not None:
            path = numbered(save, number)
            answer.save(path)
            print(f"wrote {path}", file=sys.stderr)
        if as_json:
            print(json.dumps(answer.to_json(), ensure_ascii=False), flush=True)
        else:
            for piece in answer.pieces():
                print(piece, end="", flush=True)
            print()
    return 0


def numbered(save: Path, number: int) -> Path:
    """Where the answer of that number goes: the file asked for, then -2, -3 …"""
    return save if number == 0 else save.with_stem(f"{save.stem}-{number + 1}")


def do_check(words: list[str]) -> int:
    flags: Flags = {"seconds": (float, "time for the checks, after reading (default 60)"),
                    "json": (bool, "print JSON"), "offline": (bool, "never use the network"),
                    "save": (Path, "write a page (.html) with the examples, or .json")}
    (task, data), choices = parse("check", VERBS["check"], words, flags, any_flag=True)
    as_json, save = choices.pop("json", False), choices.pop("save", None)
    from lamina import checks, verbs
    from lamina.report import without_html
    from lamina.settings import convert

    if "seconds" in choices:
        choices["seconds"] = convert(choices["seconds"], float, "seconds")
    found = verbs.check(task, data, **choices)
    if save is not None:
        checks.save(found, save)
        print(f"wrote {save}", file=sys.stderr)
    print(json.dumps(without_html(found), indent=2) if as_json else checks.to_text(found))
    return 0


def do_explain(words: list[str]) -> int:
    flags: Flags = {"method": (str, "auto, or one of those that the kind of input has"),
                    "label": (str, "the answer to explain; default the one that is given"),
                    "json": (bool, "print one JSON object per line"),
                    "save": (Path, "write a page (.html), a picture (.png) or .json")}
    (model, *inputs), choices = parse("explain", VERBS["explain"], words, flags)
    as_json, save = choices.pop("json", False), choices.pop("save", None)
    from lamina import verbs

    for number, explanation in enumerate(verbs.explain(model, inputs, **choices)):
        if save is not None:
            path = numbered(save, number)
            explanation.save(path)
            print(f"wrote {path}", file=sys.stderr)
        print(json.dumps(explanation.to_json(), ensure_ascii=False) if as_json
              else explanation.text(), flush=True)
    return 0


def do_attack(words: list[str]) -> int:
    flags: Flags = {"strengths": (str, "of the attacks, such as 0.02,0.05,0.1"),
                    "examples": (int, "how many test examples are attacked (default 500)"),
                    "fixed": (str, "columns of a table that must not change, such as age,sex"),
                    "json": (bool, "print JSON"), "offline": (bool, "never use the network"),
                    "save": (Path, "write a page (.html) with the pictures")}
    places, choices = parse("attack", VERBS["attack"], words, flags)
    as_json, save = choices.pop("json", False), choices.pop("save", None)
    from lamina import attacks, verbs
    from lamina.report import without_html
    from lamina.settings import convert

    if "strengths" in choices:
        choices["strengths"] = convert(choices["strengths"], tuple[float, ...], "strengths")
    if "fixed" in choices:
        choices["fixed"] = convert(choices["fixed"], tuple[str, ...], "fixed")
    if "examples" in choices:
        choices["examples"] = convert(choices["examples"], int, "examples")
    found = verbs.attack(*places, **choices)
    if save is not None:
        attacks.save(found, save)
        print(f"wrote {save}", file=sys.stderr)
    print(json.dumps(without_html(found), indent=2) if as_json else attacks.to_text(found))
    return 0


def do_report(words: list[str]) -> int:
    flags: Flags = {"json": (bool, "print JSON"),
                    "markdown": (bool, "print report.md, fit to be a model card")}
    (run,), choices = parse("report", VERBS["report"], words, flags)
    from lamina import verbs
    from lamina.report import to_text

    document = verbs.report(run)
    if choices.get("markdown"):
        text = Path(run) / "report.md"
        if not text.is_file():
            raise UserError(f"{run} has no report.md; lamina resume {run} writes it")
        print(text.read_text(), end="")
    else:
        print(json.dumps(document, indent=2) if choices.get("json") else to_text(document))
    return 0


def do_compare(words: list[str]) -> int:
    runs, choices = parse("compare", VERBS["compare"], words, {"json": (bool, "print JSON")})
    from lamina import verbs

    found = verbs.compare(*runs)
    print(json.dumps(found, indent=2) if choices.get("json")
          else "\n".join(line["sentence"] for line in found))
    return 0


if __name__ == "__main__":
    process()
