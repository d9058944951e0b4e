"""Boxes drawn over a picture: as SVG for a page, as pixels for a file."""

import base64
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy

from lamina.media import image
from lamina.media.boxes import Box

# of Okabe and Ito 2008, which people who see few colours can tell apart
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
TRUE = "#ffffff"
READABLE = 480  # pixels of the longer side that what is written needs


class Outline(NamedTuple):
    """A box with what is written at its corner; a dashed one was expected, not found."""

    box: Box
    text: str
    colour: str
    dashed: bool = False


def svg(pixels: numpy.ndarray, size: tuple[int, int], outlines: Sequence[Outline], *,
        width: int = 400, alternative: str = "a picture with boxes") -> str:
    """The picture, enlarged to `size` (height, width), with the outlines; `width` pixels wide."""
    encoded = base64.b64encode(image.png(pixels)).decode()
    line = size[1] / width  # a pixel on the page, in those of the picture
    parts = [f'<image width="{size[1]}" height="{size[0]}" preserveAspectRatio="none" '
             f'href="data:image/png;base64,{encoded}"/>']
    for outline in outlines:
        left, top, right, bottom = outline.box
        dashes = f' stroke-dasharray="{5 * line:.4g}"' if outline.dashed else ""
        parts.append(f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
                     f'height="{bottom - top:.1f}" fill="none" stroke="{outline.colour}" '
                     f'stroke-width="{(1 if outline.dashed else 2) * line:.4g}"{dashes}/>')
    for outline in outlines:
        if outline.text:
            x, y = outline.box[0] + 2 * line, max(outline.box[1] - 3 * line, 11 * line)
            parts.append(
                f'<text x="{x:.1f}" y="{y:.1f}" font-family="sans-serif" font-size="{11 * line:.4g}'
                f'" fill="{outline.colour}" stroke="#000" stroke-width="{3 * line:.4g}" '
                f'paint-order="stroke">{escape(outline.text)}</text>')
    return (f'<svg role="img" width="{width}" viewBox="0 0 {size[1]} {size[0]}" '
            f'xmlns="http://www.w3.org/2000/svg"><title>{escape(alternative)}</title>'
            f'{"".join(parts)}</svg>')


def drawn(pixels: numpy.ndarray, size: tuple[int, int],
          outlines: Sequence[Outline]) -> numpy.ndarray:
    """The same as pixels, uint8 (height, width, 3); small pictures are enlarged to READABLE."""
    from PIL import Image, ImageDraw, ImageFont

    larger = max(1, -(-READABLE // max(size)))
    picture = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0]).convert("RGB")
    picture = picture.resize((larger * size[1], larger * size[0]))
    draw, unit = ImageDraw.Draw(picture), max(1, round(larger * max(size) / READABLE))
    font = ImageFont.load_default(12 * unit)
    for outline in outlines:
        box = [larger * side for side in outline.box]
        draw.rectangle(box, outline=outline.colour, width=unit if outline.dashed else 2 * unit)
        if outline.text:
            place = box[0] + unit, max(0, box[1] - 15 * unit)
            draw.rectangle(draw.textbbox(place, outline.text, font), fill=outline.colour)
            draw.text(place, outline.text, "#000000", font)
    return numpy.asarray(picture)
