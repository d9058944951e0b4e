"""Explanations: which parts of an input made the answer what it is."""

from collections.abc import Iterator, Mapping, Sequence

import numpy
import torch
from torch import nn

from lamina.answers import Answer, Label, Labels, Number
from lamina.answers.mask import Mask
from lamina.artifact import Model
from lamina.errors import UserError, nearest
from lamina.explanations import attribution, episodes, pictures, rows, series, tokens
from lamina.explanations.explanation import Explanation
from lamina.probe import Probe
from lamina.scoring import named
from lamina.task import Example

METHODS = {"image": pictures.METHODS, "tokens": tokens.METHODS, "words": tokens.METHODS,
           "columns": rows.METHODS, "episode": episodes.METHODS,
           "series": series.METHODS, "sound": series.METHODS}  # by what the inputs are
CALLED = {"image": "a picture", "tokens": "a text", "words": "a text", "columns": "a row",
          "episode": "an episode", "series": "a series", "sound": "a recording"}
SHARED = (Label, Labels, Mask)  # answers that give each label a share
ANSWERED = ("image", "columns", "words")  # whose answer is what the probe's outputs say


def explain(model: Model, given: Sequence[str | Example], *, method: str = "auto",
            label: str | None = None) -> Iterator[Explanation]:
    """An explanation of the answer to each input, as `predict` takes them, in order.

    method: "auto" or one of METHODS for what the inputs are. label: the answer to explain.
    UserError: no such method or label, an input that cannot be read, a task that cannot tell.
    """
    for example in model.examples(given):
        batch = model.encoded([example])
        try:
            probe = model.task.probe(model.net, batch)
        except NotImplementedError as reason:
            raise UserError(f"{reason}; lamina explain knows no way to it") from None
        answer = model.answer(batch)[0] if probe.kind in ANSWERED else None
        yield explained(model.net, probe, example, answer, method=method, label=label)


def explained(net: nn.Module, probe: Probe, example: Example, answer: Answer | None, *,
              method: str = "auto", label: str | None = None,
              most: int = attribution.STEPS[-1]) -> Explanation:
    """The explanation of one example; the probe is of it alone.

    answer: the model's, where it is a label, a number or a picture. most: steps of integrals.
    """
    methods = METHODS[probe.kind] if probe.labels else ("occlusion",)
    if method not in ("auto", *methods):
        called = CALLED[probe.kind] if probe.labels else "a picture that becomes another"
        near = nearest(method, methods)
        raise UserError(f"method: {called} is explained by auto, {', '.join(methods)}; got "
                        f"{method!r}" + (f", {near}" if near.startswith("did") else ""))
    unnamed = isinstance(example.input, (Mapping, numpy.ndarray))
    name = CALLED[probe.kind] if unnamed else named(example)
    if probe.kind == "episode":
        return episodes.explain(probe, method, action=label, most=most, name=name,
                                answer="the action chosen")
    if probe.kind in ("series", "sound"):
        refuse(label, "with a forecast" if probe.kind == "series" else "with a transcript")
        return series.explain(probe, method, name=name, most=most)
    if not probe.labels:
        refuse(label, "with a picture")
        return pictures.change(probe, name=name, answer="the picture that is made", label=
                               "the picture that is made", probability=None)
    if len(probe.labels) == 1:
        refuse(label, "with a number")
        said = answer.line() if isinstance(answer, Number) else probe.labels[0]
        about = {"answer": said, "label": said, "probability": None}
        chosen = torch.zeros(1, dtype=torch.long, device=probe.inputs.device)
    else:
        about, chosen = choice(probe, answer, label)
    about |= {"name": name, "most": most}
    if probe.kind == "image":
        return pictures.explain(net, probe, chosen, method, **about)
    if probe.kind in ("tokens", "words"):
        return tokens.explain(probe, chosen, method, **about)
    return rows.explain(probe, chosen, method, row=example.input, **about)


def choice(probe: Probe, answer: Answer | None, label: str | None) -> tuple[dict, torch.Tensor]:
    """What is said of the answer that is explained, and its index among the outputs."""
    with torch.no_grad():
        outputs = probe.outputs(probe.inputs)[0].double()
        chances = outputs.sigmoid() if probe.several else outputs.softmax(0)
    given = answer.label if isinstance(answer, SHARED) else \
        probe.labels[int(chances.argmax())]
    label = given if label is None else label
    if label not in probe.labels:
        raise UserError(f"label: the model has no answer {label!r}: "
                        f"{nearest(label, probe.labels)}")
    index = probe.labels.index(label)
    probability = answer.probabilities[label] if isinstance(answer, SHARED) \
        else float(chances[index])
    return ({"answer": given, "label": label, "probability": probability},
            torch.tensor([index], device=probe.inputs.device))


def refuse(label: str | None, how: str) -> None:
    """UserError where another label is asked for and there are none."""
    if label is not None:
        raise UserError(f"label: the model answers {how}; there is no other answer to explain")
