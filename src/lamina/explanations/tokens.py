"""Explanations of texts: how much each token did for the label, or for what comes next."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

import numpy
import torch
from torch import Tensor

from lamina.errors import UserError
from lamina.explanations import attribution
from lamina.explanations.explanation import Explanation, bars, in_colour, mixed
from lamina.media import image
from lamina.probe import Probe

METHODS = ("integrated-gradients", "occlusion", "attention")
LISTED = 20  # strongest tokens that are listed where colours cannot be shown
MAPS = 2  # last layers whose attention is drawn


@dataclass(frozen=True, kw_only=True)
class TokenExplanation(Explanation):
    """tokens, weights: what each token adds, (tokens,).

    goes_on: whether what is explained is the next token; else it is a label of the whole text.
    rollout: how much of each token reaches the last place through all layers, or of a label all
        places in the mean, (tokens,).
    attention: of every layer, mean over its heads, (layers, tokens, tokens). Both None where the
        net has none.
    """

    tokens: Sequence[str]
    weights: numpy.ndarray
    goes_on: bool = True
    rollout: numpy.ndarray | None = None
    attention: numpy.ndarray | None = None
    kind: ClassVar[str] = "a text"

    def headline(self) -> str:
        if not self.goes_on:
            return super().headline()
        given = "" if self.label == self.answer else f"  (the model answers {self.answer!r})"
        return f"next comes {self.label!r}  {self.probability:.1%}{given}"

    def drawing(self) -> str:
        if in_colour():
            return coloured(self.tokens, shares(self.weights))
        order = sorted(numpy.argsort(-abs(self.weights))[:LISTED].tolist())
        rows = [(f"{place + 1:>4} {self.tokens[place]!r}", float(self.weights[place]))
                for place in order]
        first = "" if len(order) == len(self.tokens) else \
            f"  the {LISTED} strongest of {len(self.tokens)} tokens\n"
        return first + bars(rows)

    def drawing_html(self) -> str:
        found = marked(self.tokens, shares(self.weights))
        if self.attention is None:
            return found
        if not self.method == "attention":
            found += ('<p class="soft">Attention, followed back through all layers (rollout): what '
                      f"{self.place()} looks at</p>{marked(self.tokens, shares(self.rollout))}")
        maps = []
        for layer in range(len(self.attention))[-MAPS:]:
            name = f"layer {layer + 1}"
            drawn = image.html(heat_map(self.attention[layer]), width=176,
                               alternative=f"attention of {name}")
            maps.append(f"<figure><figcaption>{name}</figcaption>{drawn}</figure>")
        return (f'{found}<p class="soft">What each place (rows, from the top) takes from each '
                f'(columns), mean over the heads</p><div style="display:flex;gap:12px;'
                f'flex-wrap:wrap">{"".join(maps)}</div>')

    def place(self) -> str:
        """Where attention is followed back from."""
        return "the last place" if self.goes_on else "the text"

    def parts(self) -> dict[str, Any]:
        found = {"tokens": list(self.tokens), "weights": rounded(self.weights)}
        if self.attention is not None:
            found["rollout"] = rounded(self.rollout)
        if self.attention is not None and self.goes_on:
            found["attention_of_last_place"] = [rounded(layer[-1]) for layer in self.attention]
        return found


def explain(probe: Probe, chosen: Tensor, method: str, *,
            most: int = attribution.STEPS[-1], label: str, **about: Any) -> TokenExplanation:
    """Of the one text of the probe, by one of METHODS, or "auto".

    UserError: the net has no attention to show.
    """
    method = "integrated-gradients" if method == "auto" else method
    layers = followed = None
    goes_on = probe.kind == "tokens"
    if probe.attention is not None:
        with torch.no_grad():
            heads = probe.attention(probe.inputs)[:, 0].double().cpu()
        layers = heads.mean(1).numpy()
        flow = rollout(layers)
        followed = flow[-1] if goes_on else flow.mean(0)
    elif method == "attention":
        raise UserError("attention: this net has none; use --method integrated-gradients or "
                        "occlusion")
    count = len(probe.names[0])
    about |= {"tokens": probe.names[0], "label": label, "rollout": followed, "attention": layers,
              "relative_to": probe.relative_to, "goes_on": goes_on}
    if method == "attention":
        return TokenExplanation(
            weights=followed, method="attention", **about,
            measure="the last place" if goes_on else "all places, in the mean",
            note="Attention says where the net looks, not what it makes of it")
    found = attribution.integrated_gradients(probe, chosen, most=most) \
        if method == "integrated-gradients" else attribution.ablation(probe, chosen)
    weights = found.values[0].sum(1).double().cpu().numpy()[:count]
    return TokenExplanation(
        weights=weights, method=method,
        measure=attribution.measure(probe, label) + " as the next token" * goes_on,
        start=float(found.start[0]), end=float(found.end[0]), steps=found.steps,
        error=None if found.error is None else float(found.error[0]), **about)


def rollout(layers: numpy.ndarray) -> numpy.ndarray:
    """How much of each token reaches each place, (tokens, tokens); layers: (layers, same).

    The product of the layers' attention, where half stays in place on the residual path (Abnar
    and Zuidema 2020, section 3).
    """
    flow = numpy.eye(layers.shape[1])
    for weights in layers:
        flow = (weights + numpy.eye(len(weights))) / 2 @ flow
    return flow


# ---- drawing ------------------------------------------------------------------------------------


def shares(weights: numpy.ndarray) -> list[float]:
    """The weights as parts of the strongest, -1 to 1."""
    return (weights / (abs(weights).max() or 1.0)).tolist()


def coloured(tokens: Sequence[str], strengths: Sequence[float]) -> str:
    """The text with a coloured ground under what matters."""
    found = []
    for token, strength in zip(tokens, strengths, strict=True):
        shown = token.replace("\n", "↵\n").replace("\t", "→")
        if abs(strength) >= 0.08:
            paint = "\x1b[38;2;0;0;0m\x1b[48;2;{};{};{}m".format(*mixed(strength))
            shown = "\n".join(f"{paint}{line}\x1b[0m" if line else ""
                              for line in shown.split("\n"))
        found.append(shown)
    return "".join(found)


def marked(tokens: Sequence[str], strengths: Sequence[float]) -> str:
    """The text for a page, with a coloured ground under what matters."""
    spans = []
    for token, strength in zip(tokens, strengths, strict=True):
        tint = "var(--tint, 11, 111, 121)" if strength > 0 else "var(--alarm-tint, 206, 92, 30)"
        shown = escape(token).replace("\n", "↵\n")
        spans.append(f'<span style="background:rgba({tint}, {0.6 * abs(strength):.2f})" '
                     f'title="{strength:+.0%} of the strongest">{shown}</span>'
                     if abs(strength) >= 0.02 else shown)
    return f'<pre>{"".join(spans)}</pre>'


def heat_map(weights: numpy.ndarray) -> numpy.ndarray:
    """Weights from 0 to 1 as a picture, uint8 (tokens, tokens, 3)."""
    share = numpy.sqrt(weights / (weights.max() or 1.0))[:, :, None]
    return (255 + share * (numpy.array(mixed(1.0)) - 255)).round().astype(numpy.uint8)


def rounded(values: numpy.ndarray) -> list[float]:
    return numpy.round(values, 6).tolist()
