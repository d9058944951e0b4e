"""Examples that occur twice, exactly or nearly, within the training part and across the parts.

A copy of a test example in the training part makes the score too good: the model may have learnt
it by heart. Rows of a table can be equal by chance, so there only an excess is held against the
split: more test rows than training rows have a twin among the training rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch

from lamina.checks import likeness, shingles
from lamina.checks.checked import Checked, share
from lamina.checks.material import CHUNK, PARTS, Material
from lamina.checks.spectrogram import fingerprint
from lamina.findings import Finding, Sighting
from lamina.scoring import named

HANDFUL = 10  # twins across parts, up to which it is a warning
NOTICEABLE = 0.02  # of a part's examples: more is an error in a small part too
PICTURES = 0.12  # most distance of two pictures, each at mean 0 and length 1
HASHES = 0.06  # the same of their lowest waves, which compression hardly changes
SOUNDS = 0.1  # most distance of two fingerprints
ROWS = 0.005  # most distance of two rows' numbers, by rank, where all categories are equal
TEXTS = 0.6  # least share of the smaller text that is in the other
RICH_TEXT = 100  # characters, from which on texts do not repeat by chance
NOUNS = {"image": "images", "sound": "sounds", "text": "texts", "row": "rows"}


@dataclass(frozen=True)
class Pool:
    """Examples of all parts in one row, and pairs of them that are alike.

    part, place: where each is, (n,). first < second: the pairs; same: whether they are identical.
    """

    part: numpy.ndarray
    place: numpy.ndarray
    first: numpy.ndarray
    second: numpy.ndarray
    same: numpy.ndarray


def find(material: Material) -> Checked:
    """Twins, and where they are."""
    if not material.kind:
        return Checked([], left_out="there is no such check for these inputs")
    pool = {"image": pictures, "sound": sounds, "text": texts, "row": rows}[material.kind](material)
    found = [crossing(material, pool, "test", ("train", "validation")),
             crossing(material, pool, "validation", ("train",)), inside(material, pool)]
    return Checked([finding for finding in found if finding],
                   looked=f"{material.looked()} {NOUNS[material.kind]}")


# ---- what is alike --------------------------------------------------------------------------


def pooled(parts: Sequence[Sequence[int]]) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Part and place of examples whose places are given for each part."""
    return (numpy.repeat(numpy.arange(len(PARTS)), [len(places) for places in parts]),
            numpy.concatenate([numpy.asarray(places, int) for places in parts]))


def pictures(material: Material) -> Pool:
    """Pictures that differ by less than compression, scaling or another brightness would do."""
    found = [material.pixels(name) for name in PARTS]
    part, place = pooled([places for places, _ in found])
    filled = [pixels for _, pixels in found if len(pixels)]
    if len({pixels.shape[1:] for pixels in filled}) != 1:
        return Pool(part, place, *numpy.zeros((2, 0), int), numpy.zeros(0, bool))
    colours = numpy.concatenate(filled)
    waves = numpy.concatenate([likeness.spectrum(some.mean(1).astype(numpy.uint8)) for some in
                               numpy.array_split(colours, max(1, colours.size // CHUNK))])
    lively = numpy.flatnonzero((waves != 0).any(1))  # one-colour pictures are all alike
    first, second = (lively[pair] for pair in likeness.near(waves[lively], HASHES,
                                                            end=material.end))
    distance, same = [numpy.zeros(0)], [numpy.zeros(0, bool)]
    for a, b in likeness.chunks(first, second, max(1, CHUNK // colours[0].size)):
        distance.append(numpy.linalg.norm(likeness.centred(colours[a])
                                          - likeness.centred(colours[b]), axis=1))
        same.append((colours[a] == colours[b]).reshape(len(a), -1).all(1))
    near = numpy.concatenate(distance) < PICTURES
    return Pool(part, place, first[near], second[near], numpy.concatenate(same)[near])


def sounds(material: Material) -> Pool:
    """Sounds whose energies over time and frequency are alike."""
    found = [material.sounds(name) for name in PARTS]
    part, place = pooled([[one[0] for one in some] for some in found])
    prints = numpy.array([fingerprint(samples, rate) for some in found
                          for _, samples, rate in some], numpy.float32)
    if not len(place):
        return Pool(part, place, *numpy.zeros((2, 0), int), numpy.zeros(0, bool))
    heard = numpy.flatnonzero((prints != 0).any(1))
    first, second = (heard[pair] for pair in likeness.near(prints[heard], SOUNDS,
                                                           end=material.end))
    return Pool(part, place, first, second, (prints[first] == prints[second]).all(1))


def texts(material: Material) -> Pool:
    """Texts that share most of their shingles, or all of their words."""
    found = [material.texts(name) for name in PARTS]
    part, place = pooled([[at for at, _ in some] for some in found])
    given = [text for some in found for _, text in some]
    keys = numpy.array([shingles.one(shingles.normal(text)) for text in given], numpy.uint64)
    first, second = numpy.sort(likeness.equal(keys), axis=0)
    if given and not material.late():
        a, b, overlap = shingles.shared(*shingles.sketch(given), len(given))
        near = (overlap >= TEXTS) & (keys[a] != keys[b])
        first, second = numpy.r_[first, a[near]], numpy.r_[second, b[near]]
    return Pool(part, place, first, second, keys[first] == keys[second])


def rows(material: Material) -> Pool:
    """Rows with equal cells, or with equal categories and nearly equal numbers."""
    found = [material.rows(name) for name in PARTS]
    part, place = pooled([places for places, _ in found])
    columns = list(dict.fromkeys(name for _, cells in found for name in cells))
    cells = [numpy.concatenate([some.get(name, numpy.full(len(places), None))
                                for places, some in found]) for name in columns]
    keys = numpy.array([hash(row) for row in zip(*cells, strict=True)], numpy.int64)
    first, second = numpy.sort(likeness.equal(keys), axis=0)
    batches = [material.part(name).batch for name in PARTS]
    if all({"numbers", "categories"} <= set(batch) for batch in batches) and len(place):
        numbers, groups = (numpy.concatenate([
            batch[key][torch.from_numpy(places)].numpy()
            for batch, (places, _) in zip(batches, found, strict=True)])
            for key in ("numbers", "categories"))
        mixers = numpy.arange(1, groups.shape[1] + 1, dtype=numpy.int64) * 0x5851F42D4C957F2D
        a, b = likeness.near(numbers, ROWS, groups=(groups * mixers).sum(1), end=material.end)
        near = (keys[a] != keys[b]) & (groups[a] == groups[b]).all(1)
        first, second = numpy.r_[first, a[near]], numpy.r_[second, b[near]]
    return Pool(part, place, first, second, keys[first] == keys[second])


# ---- what it means --------------------------------------------------------------------------


def twins(pool: Pool, held: str, others: Sequence[str]) -> dict[int, tuple[str, int, bool]]:
    """For each place of part `held` that has a twin in the others: its part and place, and whether
    they are identical.
    """
    found: dict[int, tuple[str, int, bool]] = {}
    order = numpy.argsort(~pool.same, kind="stable")  # identical ones first
    wanted = [PARTS.index(name) for name in others]
    for a, b in ((pool.first, pool.second), (pool.second, pool.first)):
        across = (pool.part[a] == PARTS.index(held)) & numpy.isin(pool.part[b], wanted)
        for pair in order[across[order]].tolist():
            mine, twin, same = int(pool.place[a[pair]]), b[pair], bool(pool.same[pair])
            if mine not in found or (same and not found[mine][2]):
                found[mine] = PARTS[pool.part[twin]], int(pool.place[twin]), same
    return found


def crossing(material: Material, pool: Pool, held: str, others: Sequence[str]) -> Finding | None:
    """Examples of part `held` that have a twin in other parts."""
    found = twins(pool, held, others)
    if not found:
        return None
    sizes = {name: max(1, int((pool.part == number).sum())) for number, name in enumerate(PARTS)}
    usual, looked = len(twins(pool, "train", ["train"])) / sizes["train"], sizes[held]
    expected = usual * looked * sum(sizes[name] for name in others) / sizes["train"]
    excess = len(found) - expected > 4 * (expected + 1) ** 0.5
    chance = chancy(material)
    many = excess and len(found) > HANDFUL if chance else len(found) > HANDFUL or (
        excess and len(found) > NOTICEABLE * looked)
    noun, same = NOUNS[material.kind], sum(identical for _, _, identical in found.values())
    where = " and ".join(name for name in others
                         if any(part == name for part, _, _ in found.values()))
    do = f"remove them from the {where} part, or keep equal {noun} together when splitting"
    if chance and not many:
        do = (f"nothing where {noun} are equal by chance, as about as many are in training; "
              f"else {do}")
    return Finding(
        "error" if many and held == "test" else "hint" if chance and not many and not same else
        "warning",
        f"{held} {noun} also occur in the {where} part",
        f"{len(found):,} of {looked:,} {held} {noun} ({share(len(found), looked)}): {same:,} "
        f"identical, {len(found) - same:,} nearly; of the training {noun} {share(usual, 1)} have "
        "a twin among themselves", do, shown(material, found, held))


def shown(material: Material, found: dict[int, tuple[str, int, bool]], held: str,
          ) -> tuple[Sighting, ...]:
    """The twins of the held part, each with its partner's name; the first partners are shown."""
    sightings = []
    for place, (part, twin, identical) in sorted(found.items())[: material.shown]:
        name = named(material.part(part).examples[twin])
        alike = "identical to" if identical else "nearly the same as"
        sightings.append(Sighting(held, place, f"{alike} {part} {twin}"
                                  + ("" if material.kind in ("row", "text") else f", {name}")))
        if len(sightings) < 6 and held != part:
            sightings.append(Sighting(part, twin, f"the twin of {held} {place}"))
    return tuple(sightings)


def inside(material: Material, pool: Pool) -> Finding | None:
    """Training examples that have a twin there, and how many of them disagree on the target."""
    found = twins(pool, "train", ["train"])
    looked, noun = int((pool.part == 0).sum()), NOUNS[material.kind]
    if not found:
        return None
    examples = material.part("train").examples
    differ = [place for place, (_, twin, _) in found.items()
              if material.labels and examples[place].target != examples[twin].target]
    same = sum(identical for _, _, identical in found.values())
    evidence = (f"{len(found):,} of {looked:,} ({share(len(found), looked)}) have a twin: "
                f"{same:,} identical, {len(found) - same:,} nearly")
    evidence += f"; {len(differ):,} of them another label" if differ else ""
    first = {place: found[place] for place in (differ or found)}
    serious = len(differ) > (HANDFUL if chancy(material) else 0) or len(found) > 0.05 * looked
    return Finding("warning" if serious else "hint",
                   f"training {noun} occur more than once", evidence,
                   "look whether they are meant to weigh twice"
                   + (", and which label is right" if differ else ""),
                   shown(material, first, "train")[:12])


def chancy(material: Material) -> bool:
    """Whether equal inputs arise by chance: rows of tables, and short texts."""
    if material.kind == "text":
        lengths = [len(text) for _, text in material.texts("train")]
        return bool(numpy.median(lengths or [0]) < RICH_TEXT)
    return material.kind == "row"
