"""Explanations of pictures: heat over the pixels."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy
import torch
from torch import Tensor, nn

from lamina import storage
from lamina.errors import UserError
from lamina.explanations import attribution
from lamina.explanations.attribution import Attribution
from lamina.explanations.explanation import Explanation, in_colour, mixed
from lamina.media import image
from lamina.probe import Probe

METHODS = ("integrated-gradients", "grad-cam", "occlusion")
WINDOWS = 7  # side by side; each window of occlusion overlaps half of the next
SMALLEST_MAP = 6  # pixels of the shorter side of the map that Grad-CAM looks at
STRONGEST = 99.5  # percentile of the heat that gets the full colour
FINEST = 32  # cells of a side of the heat that is drawn; finer heat of photos looks like dust
COLUMNS, CELLS = 56, 8  # of the drawing in a terminal, of the numbers in a pipe


@dataclass(frozen=True, kw_only=True)
class PictureExplanation(Explanation):
    """pixels: uint8 (height, width, channels). heat: (height, width), signed."""

    pixels: numpy.ndarray
    heat: numpy.ndarray
    kind: ClassVar[str] = "a picture"

    def overlay(self) -> numpy.ndarray:
        """The heat over the picture, which is dimmed: uint8 (height, width, 3)."""
        return overlay(self.pixels, self.heat)

    def drawing(self) -> str:
        if in_colour():
            return blocks(self.overlay())
        shares = 100 * pooled(self.heat, CELLS) / (abs(self.heat).sum() or 1.0)
        rows = ["".join(f"{share:6.1f}" for share in row) for row in shares]
        return "\n".join(["  per cent of the whole effect, by place", *rows])

    def drawing_html(self) -> str:
        shown = image.html(self.pixels, width=176, alternative=f"input: {self.name}")
        drawn = image.html(self.overlay(), width=176,
                           alternative=f"what speaks for and against {self.label}")
        return f'<div style="display:flex;gap:8px;flex-wrap:wrap">{shown}{drawn}</div>'

    def parts(self) -> dict[str, Any]:
        encoded = base64.b64encode(image.png(self.overlay())).decode()
        return {"heat": numpy.round(self.heat, 6).tolist(), "png": encoded}

    def suffixes(self) -> tuple[str, ...]:
        return (".html", ".json", ".png")

    def save(self, path: Path) -> None:
        if path.suffix.lower() != ".png":
            return super().save(path)
        pixels = self.pixels if self.pixels.shape[2] == 3 else self.pixels.repeat(3, axis=2)
        scale = max(1, 256 // max(pixels.shape[:2]))
        both = numpy.concatenate([pixels, self.overlay()], axis=1)
        storage.write(path, image.png(both.repeat(scale, axis=0).repeat(scale, axis=1)))


# ---- methods ------------------------------------------------------------------------------------


def explain(net: nn.Module, probe: Probe, chosen: Tensor, method: str, *,
            most: int = attribution.STEPS[-1], **about: Any) -> PictureExplanation:
    """Of the one picture of the probe, by one of METHODS, or "auto".

    about: the name, the answer, the label and the probability.
    UserError: Grad-CAM needs a net with convolutions.
    """
    method = "integrated-gradients" if method == "auto" else method
    note = ""
    if method == "integrated-gradients":
        found = attribution.integrated_gradients(probe, chosen, most=most)
    elif method == "grad-cam":
        found, note = grad_cam(net, probe, chosen)
    else:
        found, note = occlusion(probe, attribution.strength(probe, chosen))
    return drawn(probe, found, method=method, note=note, **about)


def change(probe: Probe, **about: Any) -> PictureExplanation:
    """Of a net that makes a picture: how much of it changes when a part of the input is hidden."""
    with torch.no_grad():
        made = probe.outputs(probe.inputs)

    def likeness(given: Tensor) -> Tensor:
        return -(probe.outputs(given) - made).abs().mean(1)

    found, note = occlusion(probe, likeness)
    return drawn(probe, found, method="occlusion",
                 note=f"{note}, in {probe.relative_to}; the numbers are the mean absolute change "
                      "of the picture that is made, in grey levels of 0 to 255", **about)


def drawn(probe: Probe, found: Attribution, *, method: str, label: str, note: str,
          **about: Any) -> PictureExplanation:
    """The explanation of the first picture; the channels' heat is added up."""
    pixels = probe.inputs[0].round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    heat = found.values[0].sum(0).double().cpu().numpy()
    ends = (None, None) if method == "grad-cam" or not probe.labels else \
        (float(found.start[0]), float(found.end[0]))
    return PictureExplanation(
        pixels=pixels, heat=heat, method=method, label=label, note=note,
        measure=attribution.measure(probe, label), relative_to=probe.relative_to,
        start=ends[0], end=ends[1], steps=found.steps,
        error=None if found.error is None else float(found.error[0]), **about)


def occlusion(probe: Probe, score: Callable[[Tensor], Tensor]) -> tuple[Attribution, str]:
    """How much the score falls when a window takes the neutral colour (Zeiler and Fergus 2014).

    Each pixel has the mean fall of the windows that hid it.
    """
    from captum.attr import Occlusion

    _, channels, height, width = probe.inputs.shape
    side = max(1, -(-min(height, width) // WINDOWS))
    step = max(1, side // 2)
    with torch.no_grad():
        start, end = score(probe.neutral), score(probe.inputs)
        values = Occlusion(score).attribute(
            probe.inputs, (channels, side, side), (channels, step, step), probe.neutral,
            perturbations_per_eval=attribution.at_once(probe.inputs))
    return (Attribution(values / channels, start, end),
            f"Windows of {side} by {side} pixels were hidden, one at a time")


def grad_cam(net: nn.Module, probe: Probe, chosen: Tensor) -> tuple[Attribution, str]:
    """The maps of the last convolution, each weighed by its mean gradient (Selvaraju et al. 2017).

    Only what speaks for the answer is kept (equation 2); the map is stretched over the picture.
    """
    from captum.attr import LayerAttribution, LayerGradCam

    name, layer, size = last_convolution(net, probe)
    score = attribution.strength(probe, chosen)
    inputs = probe.inputs.detach().clone().requires_grad_()
    with torch.enable_grad():
        heat = LayerGradCam(score, layer).attribute(inputs, relu_attributions=True).detach()
    wide = LayerAttribution.interpolate(heat, tuple(inputs.shape[2:]), "bilinear")
    with torch.no_grad():
        start, end = score(probe.neutral), score(probe.inputs)
    return (Attribution(wide, start, end), f"The map of {name} has {size[0]} by {size[1]} places; "
            "it shows where, not how much")


def last_convolution(net: nn.Module, probe: Probe) -> tuple[str, nn.Module, tuple[int, int]]:
    """The last convolution whose map is not too coarse, with what normalises and rectifies it.

    Maps of fewer than SMALLEST_MAP pixels a side say nothing of a place, so where there is a
    larger one they are passed over. UserError: the net has no convolutions.
    """
    order: list[tuple[str, nn.Module, torch.Size]] = []
    hooks = [module.register_forward_hook(
        lambda module, _, out, name=name: order.append((name, module, out.shape)))
        for name, module in net.named_modules() if not list(module.children())]
    try:
        with torch.no_grad():
            probe.outputs(probe.inputs)
    finally:
        for hook in hooks:
            hook.remove()
    places = [i for i, (_, module, _) in enumerate(order) if isinstance(module, nn.Conv2d)]
    if not places:
        raise UserError("grad-cam: this net has no convolutions; use --method integrated-gradients "
                        "or occlusion")
    fine = [i for i in places if min(order[i][2][2:]) >= SMALLEST_MAP]
    last = fine[-1] if fine else places[-1]
    name = order[last][0]
    while last + 1 < len(order) and isinstance(order[last + 1][1], (nn.BatchNorm2d, nn.ReLU)):
        last += 1
    return name, order[last][1], tuple(order[last][2][2:])


# ---- drawing ------------------------------------------------------------------------------------


def overlay(pixels: numpy.ndarray, heat: numpy.ndarray) -> numpy.ndarray:
    """The heat over the picture, which is dimmed: uint8 (height, width, 3)."""
    rows, columns = (cells_of(side, FINEST) for side in heat.shape)
    wide = pooled(heat, FINEST)[rows[:, None], columns]
    most = numpy.percentile(abs(wide), STRONGEST) or abs(wide).max() or 1.0
    share = numpy.clip(wide / most, -1, 1)[:, :, None]
    grey = 60 + 0.5 * pixels.mean(2, keepdims=True).repeat(3, axis=2)
    full = numpy.where(share > 0, mixed(1.0), mixed(-1.0))
    return (grey + abs(share) * (full - grey)).round().astype(numpy.uint8)


def pooled(heat: numpy.ndarray, most: int) -> numpy.ndarray:
    """The heat added up in cells, at most so many a side."""
    rows, columns = (cells_of(side, most) for side in heat.shape)
    found = numpy.zeros((rows[-1] + 1, columns[-1] + 1))
    numpy.add.at(found, (rows[:, None], columns), heat)
    return found


def cells_of(side: int, most: int) -> numpy.ndarray:
    """The cell of each of so many pixels, (side,)."""
    return numpy.arange(side) // -(-side // most)


def blocks(pixels: numpy.ndarray) -> str:
    """A colour picture in half blocks, two pixels a character, at most COLUMNS wide."""
    height, width = pixels.shape[:2]
    if width > COLUMNS:
        pixels = image.decode(pixels, size=(max(2, round(height * COLUMNS / width)), COLUMNS))
    if len(pixels) % 2:
        pixels = numpy.concatenate([pixels, pixels[-1:]])
    rows = []
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        cells = ["\x1b[38;2;{};{};{}m\x1b[48;2;{};{};{}m▀".format(*a, *b)
                 for a, b in zip(upper.tolist(), lower.tolist(), strict=True)]
        rows.append("".join(cells) + "\x1b[0m")
    return "\n".join(rows)
