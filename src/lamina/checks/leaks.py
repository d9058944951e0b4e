"""Targets that a single column gives away, and groups that stand on both sides of a split."""

from collections import Counter

import numpy

from lamina.checks.checked import Checked, share
from lamina.checks.features import features, targets
from lamina.checks.material import Material
from lamina.findings import Finding, Sighting
from lamina.keys import numpy_generator
from lamina.metrics.metric import R2

BINS = 64  # into which a column of numbers is cut
FEWEST = 5  # learning examples of a bin or category; rarer ones are taken together
TRUSTED, SUSPECT = 0.92, 0.8  # score of one column: above is an error, a warning
NUMBERS_TRUSTED, NUMBERS_SUSPECT = 0.98, 0.95  # the same for R² where targets are numbers
ENOUGH = 40  # examples, from which on it is worth while


def find(material: Material) -> Checked:
    """Columns that alone predict the target nearly without error."""
    if not material.kind or not (material.labels or material.numbers):
        return Checked([], left_out="the targets are neither labels nor numbers")
    places, columns = features(material, "train")
    target = targets(material, "train", places)
    if target is None or len(places) < ENOUGH:
        return Checked([], left_out=f"fewer than {ENOUGH} training examples with a target")
    order = numpy_generator(material.task.settings.seed, "leaks").permutation(len(places))
    learning, judging = order[: len(order) // 2], order[len(order) // 2 :]
    if material.labels:
        _, target = numpy.unique(target.astype(str), return_inverse=True)
        if len(numpy.unique(target[learning])) < 2:
            return Checked([], left_out="the looked-at targets are all the same")
    elif not target.std():
        return Checked([], left_out="the looked-at targets are all the same")
    found = []
    for name, values in used(material, columns).items():
        if material.late():
            break
        bins = binned(values, learning)
        score, low = (labels_told if material.labels else numbers_told)(
            bins, target, learning, judging)
        if not material.labels and values.dtype != object:
            score = low = max(score, line_told(values, target, learning, judging))
        found.append((low, score, name))
    trusted, suspect = (TRUSTED, SUSPECT) if material.labels else (NUMBERS_TRUSTED,
                                                                   NUMBERS_SUSPECT)
    return Checked([finding(material, name, score, low >= trusted, len(judging))
                    for low, score, name in sorted(found, reverse=True) if low >= suspect],
                   f"{len(found)} columns of {len(places):,} training examples")


def used(material: Material, columns: dict) -> dict:
    """The columns that the task does not leave out anyway."""
    useful = getattr(material.task.facts, "columns", None) if material.kind == "row" else None
    names = {column.name for column in useful} if useful else set(columns)
    return {name: values for name, values in columns.items() if name in names}


def binned(values: numpy.ndarray, learning: numpy.ndarray) -> numpy.ndarray:
    """The bin of each value, integers (n,): 0 where it is missing, 1 where it is too rare to learn
    from.
    """
    if values.dtype == object:
        missing = numpy.array([value is None for value in values.tolist()], dtype=bool)
        _, places = numpy.unique([str(value) for value in values.tolist()], return_inverse=True)
    else:
        missing = numpy.isnan(values)
        known = values[learning][~missing[learning]]
        parts = min(BINS, max(2, len(known) // (2 * FEWEST)))
        edges = numpy.unique(numpy.quantile(known, numpy.linspace(0, 1, parts + 1)[1:-1])) \
            if len(known) else numpy.zeros(0)
        places = numpy.searchsorted(edges, values, "right")
    bins = numpy.where(missing, 0, 2 + places)
    counts = numpy.bincount(bins[learning], minlength=bins.max() + 1)
    return numpy.where(~missing & (counts[bins] < FEWEST), 1, bins)


def labels_told(bins: numpy.ndarray, target: numpy.ndarray, learning: numpy.ndarray,
                judging: numpy.ndarray) -> tuple[float, float]:
    """How well each bin's likeliest class foretells, every class weighing the same: 0 as well as
    blind guessing, 1 without error; and the lower end of its 95 % interval.
    """
    classes = target.max() + 1
    sizes = numpy.bincount(target[learning], minlength=classes)
    table = numpy.zeros((bins.max() + 1, classes))
    numpy.add.at(table, (bins[learning], target[learning]), 1)
    guess = (table / numpy.maximum(sizes, 1)).argmax(1)[bins[judging]]
    present = [label for label in range(classes) if (target[judging] == label).any()]
    if len(present) < 2:
        return 0.0, 0.0
    hits = [(guess == target[judging])[target[judging] == label] for label in present]
    mean = float(numpy.mean([hit.mean() for hit in hits]))
    # Agresti and Coull: two of each kind more, so that a class without errors is not sure
    spread = sum((hit.sum() + 2) * (len(hit) - hit.sum() + 2) / (len(hit) + 4) ** 3
                 for hit in hits) ** 0.5 / len(present)
    scaled = [(value - 1 / len(present)) / (1 - 1 / len(present))
              for value in (mean, mean - 1.96 * spread)]
    return scaled[0], scaled[1]


def numbers_told(bins: numpy.ndarray, target: numpy.ndarray, learning: numpy.ndarray,
                 judging: numpy.ndarray) -> tuple[float, float]:
    """R² of each bin's mean, twice: as the score and as what is held against the thresholds."""
    counts = numpy.bincount(bins[learning], minlength=bins.max() + 1)
    sums = numpy.bincount(bins[learning], target[learning], minlength=bins.max() + 1)
    means = numpy.where(counts > 0, sums / numpy.maximum(counts, 1), target[learning].mean())
    value = explained(means[bins[judging]], target[judging])
    return value, value


def line_told(values: numpy.ndarray, target: numpy.ndarray, learning: numpy.ndarray,
              judging: numpy.ndarray) -> float:
    """R² of a straight line through the column."""
    filled = numpy.where(numpy.isnan(values), numpy.nanmean(values) if
                         (~numpy.isnan(values)).any() else 0.0, values)
    centre, middle = filled[learning].mean(), target[learning].mean()
    spread = ((filled[learning] - centre) ** 2).sum()
    slope = ((filled[learning] - centre) * (target[learning] - middle)).sum() / spread \
        if spread > 0 else 0.0
    return explained(middle + slope * (filled[judging] - centre), target[judging])


def explained(guess: numpy.ndarray, target: numpy.ndarray) -> float:
    """The share of the variance that is explained, R²."""
    value = R2.score(numpy.column_stack(((guess - target) ** 2, target)))
    return value if value == value else 0.0  # no variance, nothing to explain


def finding(material: Material, name: str, score: float, sure: bool, count: int) -> Finding:
    """One column that tells the target."""
    thing = "the column" if material.kind == "row" else "a simple property of the input,"
    measure = f"{score:.1%} of the way from blind guessing to no error, classes weighing the same" \
        if material.labels else f"R² {score:.4f}"
    return Finding(
        "error" if sure else "warning",
        f"{thing} {name!r} alone gives the target away",
        f"a table of its values foretells the target of {count:,} held-out training examples: "
        f"{measure}",
        "leave it out if it is not known, or is made from the target, when answers are needed")


def groups(material: Material) -> Checked:
    """Groups with examples in more than one part."""
    counts = {name: Counter(example.group for example in material.part(name).examples
                            if example.group is not None)
              for name in ("train", "validation", "test")}
    if not any(counts.values()):
        return Checked([], left_out="the data name no groups")
    found = []
    for held, other in (("test", "train"), ("validation", "train"), ("test", "validation")):
        both = sorted(set(counts[held]) & set(counts[other]))
        if not both:
            continue
        touched, size = sum(counts[held][name] for name in both), len(material.part(held))
        listed = ", ".join(map(str, both[:8])) + (f" and {len(both) - 8} more" if len(both) > 8
                                                  else "")
        examples = [Sighting(held, place, f"group {example.group}") for place, example in
                    enumerate(material.part(held).examples) if example.group in set(both)]
        found.append(Finding(
            "error" if other == "train" else "warning",
            f"groups stand on both sides of the split into {other} and {held}",
            f"{len(both):,} of {len(counts[held]):,} groups of the {held} part: {listed}; "
            f"{touched:,} of its {size:,} examples ({share(touched, size)})",
            "split by group: what the model learns of a group helps it on the same group only",
            tuple(examples[: min(6, material.shown)])))
    return Checked(found, f"{len(set().union(*counts.values())):,} groups")
