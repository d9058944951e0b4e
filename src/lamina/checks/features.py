"""A few numbers and categories of each example: where drift shows, and what may tell the target."""

import numpy

from lamina.checks.likeness import centred
from lamina.checks.material import CHUNK, Material
from lamina.keys import numpy_generator
from lamina.media import table

Features = dict[str, numpy.ndarray]  # by name: float64, or objects (texts or None), (n,)
MOST_PICTURES = 5_000  # of a part: more would not show smaller differences that matter
DIRECTIONS = 4  # random ones in which pictures are looked at


def features(material: Material, name: str) -> tuple[numpy.ndarray, Features]:
    """Places of a part's chosen examples, and their features."""
    make = {"image": of_pictures, "sound": of_sounds, "text": of_texts, "row": of_rows}
    if material.kind not in make:
        return numpy.zeros(0, int), {}
    return material.once(("features", name), lambda: make[material.kind](material, name))


def of_pictures(material: Material, name: str) -> tuple[numpy.ndarray, Features]:
    """Brightness, contrast, edges, extreme pixels, colours and random projections."""
    places, pixels = material.pixels(name)
    if len(places) > MOST_PICTURES:
        some = numpy_generator(0, "features", name).permutation(len(places))[:MOST_PICTURES]
        places, pixels = places[numpy.sort(some)], pixels[numpy.sort(some)]
    columns: dict[str, list[numpy.ndarray]] = {}
    for some in numpy.array_split(pixels, max(1, pixels.size // CHUNK)):
        for key, values in measured(some).items():
            columns.setdefault(key, []).append(values)
    return places, {key: numpy.concatenate(values) for key, values in columns.items()}


def measured(pixels: numpy.ndarray) -> Features:
    """The numbers of pictures, uint8 (n, channels, height, width)."""
    values = pixels.astype(numpy.float32) / 255
    grey = values.mean(1)
    down, across = numpy.diff(grey, axis=1), numpy.diff(grey, axis=2)
    found = {"brightness": grey.mean((1, 2)), "contrast": grey.std((1, 2)),
             "edges": abs(down).mean((1, 2)) + abs(across).mean((1, 2)),
             "white pixels": (pixels == 255).mean((1, 2, 3)),
             "black pixels": (pixels == 0).mean((1, 2, 3))}
    if pixels.shape[1] == 3:
        colour = values.mean((2, 3))
        found |= {"redness": colour[:, 0] - colour.mean(1),
                  "blueness": colour[:, 2] - colour.mean(1)}
    shape = grey[0].size if len(grey) else 1
    directions = numpy_generator(0, "directions").normal(size=(shape, DIRECTIONS))
    along = centred(grey) @ directions.astype(numpy.float32) if len(grey) else \
        numpy.zeros((0, DIRECTIONS))
    return found | {f"random projection {i + 1}": along[:, i] for i in range(DIRECTIONS)}


def of_sounds(material: Material, name: str) -> tuple[numpy.ndarray, Features]:
    """Length, loudness, peak, share of high frequencies, rate."""
    found = material.sounds(name)
    columns: Features = {"seconds": numpy.array([len(s) / rate for _, s, rate in found])}
    columns["rate"] = numpy.array([float(rate) for _, _, rate in found])
    columns["loudness"] = numpy.array([float(numpy.sqrt(numpy.mean(s**2))) for _, s, _ in found])
    columns["peak"] = numpy.array([float(abs(s).max()) for _, s, _ in found])
    columns["roughness"] = numpy.array([
        float(numpy.sqrt(numpy.mean(numpy.diff(s) ** 2)) / max(1e-9, numpy.sqrt(numpy.mean(s**2))))
        if len(s) > 1 else 0.0 for _, s, _ in found])
    return numpy.array([place for place, _, _ in found], int), columns


def of_texts(material: Material, name: str) -> tuple[numpy.ndarray, Features]:
    """Length, and the share of characters of each kind."""
    found = material.texts(name)
    columns = {key: numpy.zeros(len(found)) for key in (
        "characters", "capital letters", "digits", "spaces", "other signs", "letters e",
        "beyond ASCII", "new lines")}
    for row, (_, text) in enumerate(found):
        codes = numpy.frombuffer(text.encode("utf-32-le", "replace"), numpy.uint32)
        counts = numpy.bincount(numpy.minimum(codes, 128), minlength=129)
        capital, small = counts[65:91].sum(), counts[97:123].sum()
        digits, spaces = counts[48:58].sum(), counts[32] + counts[9]
        other = len(codes) - capital - small - digits - spaces - counts[128] - counts[10]
        shares = (capital, digits, spaces, other, counts[101] + counts[69], counts[128], counts[10])
        for key, value in zip(list(columns)[1:], shares, strict=True):
            columns[key][row] = value / max(1, len(codes))
        columns["characters"][row] = len(codes)
    return numpy.array([place for place, _ in found], int), columns


def of_rows(material: Material, name: str) -> tuple[numpy.ndarray, Features]:
    """The columns: numbers where they are such in the training part, else texts."""
    places, cells = material.rows(name)
    forms = material.once("forms", lambda: forms_of(material.rows("train")[1]))
    return places, {key: as_numbers(cells.get(key, numpy.full(len(places), None)), form)
                    if form is not None else cells.get(key, numpy.full(len(places), None))
                    for key, form in forms.items()}


def forms_of(cells: Features) -> dict[str, str | None]:
    """For each column "" of numbers, the form of dates, or None of other texts."""
    found: dict[str, str | None] = {}
    for key, column in cells.items():
        present = [cell for cell in column[:2000].tolist() if cell is not None]
        if present and len(table.readable(present)) >= table.ENOUGH * len(present):
            found[key] = ""
        else:
            found[key] = (table.form_of(sorted(set(present))) or None) if present else None
    return found


def as_numbers(cells: numpy.ndarray, form: str) -> numpy.ndarray:
    """The cells as numbers, or seconds of dates of that form; NaN where they are none."""
    different, places = numpy.unique([cell or "" for cell in cells.tolist()], return_inverse=True)
    values = numpy.full(len(different), numpy.nan)
    for row, cell in enumerate(different.tolist()):
        known = table.readable([cell], form)
        if len(known):
            values[row] = known[0]
    return values[places] if len(different) else values


def targets(material: Material, name: str, places: numpy.ndarray) -> numpy.ndarray | None:
    """The targets of those examples where they are labels (objects) or numbers (float64)."""
    examples = material.part(name).examples
    found = [examples[place].target for place in places.tolist()]
    if any(target is None for target in found):
        return None
    if material.labels:
        return numpy.array(found, dtype=object)
    return numpy.array(found, dtype=float) if material.numbers else None
