"""Examples that were left out as damaged, and readable ones that look broken."""

import numpy

from lamina.checks.checked import Checked, share
from lamina.checks.material import PARTS, Material
from lamina.findings import Finding, Sighting
from lamina.media import image
from lamina.media.files import File

LONG = 5.0  # times as wide as high
SMALL, LARGE = 1 / 64, 64.0  # times the usual number of pixels
SHORT = 3  # characters
SILENT, CLIPPED = 1e-4, 0.01  # a peak; the share of samples at the end of the scale
NOISY = 0.05  # share of examples, from which on a hint is a warning
FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".bmp": "bmp", ".gif": "gif",
           ".webp": "webp", ".tif": "tiff", ".tiff": "tiff", ".wav": "wave", ".flac": "flac",
           ".ogg": "ogg", ".oga": "ogg", ".opus": "ogg", ".aif": "aiff", ".aiff": "aiff"}
Seen = dict[str, list[Sighting]]  # by what was seen


def find(material: Material) -> Checked:
    """Damaged and suspicious examples."""
    found = [*damaged(material)]
    seen: Seen = {}
    {"image": blank_pictures, "sound": odd_sounds, "text": short_texts}.get(
        material.kind, lambda material, seen: None)(material, seen)
    if material.kind in ("image", "sound"):
        odd_files(material, seen)
    looked = sum(len(material.chosen(name)) for name in PARTS) if material.kind else 0
    for what, sightings in seen.items():
        part = share(len(sightings), looked)
        found.append(Finding(
            "warning" if len(sightings) > 2 or len(sightings) > NOISY * looked else "hint", what,
            f"{len(sightings):,} of {looked:,} examples looked at ({part})",
            "look at them: a broken reader, a wrong export, or nothing to learn from",
            tuple(sightings[: material.shown])))
    return Checked(found, f"{material.looked()} examples" if looked else "what reading said")


def damaged(material: Material) -> list[Finding]:
    """What reading and decoding left out."""
    lines = material.parts.data.damaged
    if not lines:
        return []
    known = sum(len(material.part(name)) for name in PARTS) + len(lines)
    more = f" and {len(lines) - 5:,} more" if len(lines) > 5 else ""
    return [Finding("warning", "some examples cannot be read and are left out",
                    f"{len(lines):,} of {known:,} ({share(len(lines), known)}): "
                    + "; ".join(lines[:5]) + more, "repair or remove them")]


def note(seen: Seen, what: str, name: str, place: int, remark: str) -> None:
    seen.setdefault(what, []).append(Sighting(name, int(place), remark))


def blank_pictures(material: Material, seen: Seen) -> None:
    """Pictures of one colour."""
    for name in PARTS:
        places, pixels = material.pixels(name)
        flat = pixels.reshape(len(pixels), -1) if len(pixels) else numpy.zeros((0, 1), "u1")
        for row in numpy.flatnonzero(numpy.ptp(flat, axis=1) <= 2):
            note(seen, "some images are of one colour", name, places[row],
                 f"all pixels are about {flat[row, 0]}")


def odd_sounds(material: Material, seen: Seen) -> None:
    """Silence, and sounds that were recorded too loud."""
    for name in PARTS:
        for place, samples, rate in material.sounds(name):
            peak = float(abs(samples).max())
            if peak < SILENT:
                note(seen, "some sounds are silent", name, place, f"peak {peak:.2g}")
            elif float((abs(samples) >= 0.999 * peak).mean()) > CLIPPED and peak > 0.1:
                clipped = float((abs(samples) >= 0.999 * peak).mean())
                note(seen, "some sounds are clipped", name, place,
                     f"{clipped:.1%} of the samples at the peak")
            if len(samples) < 0.02 * rate:
                note(seen, "some sounds are very short", name, place,
                     f"{len(samples) / rate:.4f} seconds")


def short_texts(material: Material, seen: Seen) -> None:
    """Texts of a few characters."""
    for name in PARTS:
        for place, text in material.texts(name):
            if len(text.strip()) < SHORT:
                note(seen, "some texts are very short", name, place,
                     f"{len(text.strip())} characters")


def odd_files(material: Material, seen: Seen) -> None:
    """Files whose suffix names another format than they have, and pictures of odd sizes."""
    shapes = []
    for name in PARTS:
        for place, example in material.examples(name):
            if not isinstance(example.input, File):
                return
            try:
                data = example.input.read()
                suffix = "." + example.input.name.lower().rpartition(".")[2]
                held = format_of(data[:16])
                if held and suffix in FORMATS and FORMATS[suffix] != held:
                    note(seen, "some files are not what their suffix says", name, place,
                         f"{suffix}, but it holds {held}")
                if material.kind == "image":
                    shapes.append((name, place, *image.shape(example.input)[:2]))
            except (OSError, ValueError):
                continue
    usual = float(numpy.median([high * wide for *_, high, wide in shapes])) if shapes else 0.0
    for name, place, high, wide in shapes:
        if max(high, wide) > LONG * min(high, wide):
            note(seen, "some images are very long or very wide", name, place,
                 f"{wide} by {high} pixels")
        elif not SMALL * usual <= high * wide <= LARGE * usual:
            note(seen, "some images are much smaller or larger than usual", name, place,
                 f"{wide} by {high} pixels, usual are {usual:,.0f} in all")


def format_of(start: bytes) -> str | None:
    """The format that the first bytes of a file show; None where it is another."""
    known = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"BM": "bmp", b"GIF8": "gif",
             b"II*\0": "tiff", b"MM\0*": "tiff", b"fLaC": "flac", b"OggS": "ogg", b"FORM": "aiff"}
    if start[:4] == b"RIFF":
        return {b"WEBP": "webp", b"WAVE": "wave"}.get(start[8:12])
    return next((name for mark, name in known.items() if start.startswith(mark)), None)
