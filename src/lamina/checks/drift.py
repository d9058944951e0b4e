"""Whether validation and test part look like the training part: a test of every feature."""

import numpy

from lamina.checks import twosample
from lamina.checks.checked import Checked
from lamina.checks.features import features, targets
from lamina.checks.material import Material
from lamina.findings import Finding, Sighting
from lamina.intervals import holm

CHANCE = 0.01  # p after correction, above which a difference may be chance
NOTICED, LARGE = 0.1, 0.4  # sizes of an effect: a warning, an error
FEWEST = 20  # examples of each part
MENTIONED = 6


def find(material: Material) -> Checked:
    """Features that are distributed otherwise in validation or test than in training."""
    if not material.kind:
        return Checked([], left_out="there is no such check for these inputs")
    known = {name: with_target(material, name) for name in ("train", "validation", "test")}
    tests = []
    for held in ("validation", "test"):
        same = comparable(material, held, known["train"][0])
        for name, values in known["train"][1].items():
            values = values[same]
            other = known[held][1].get(name)
            if other is None or min(len(values), len(other)) < FEWEST or \
                    other.dtype != values.dtype or material.late():
                continue
            tests.append((held, name, *twosample.compare(values, other)))
    corrected = holm([p for *_, p in tests])
    found = [(held, name, effect, p) for (held, name, effect, _), p in
             zip(tests, corrected, strict=True) if p < CHANCE and effect >= NOTICED]
    findings = [finding(material, held, [row[1:] for row in found if row[0] == held], known)
                for held in ("test", "validation") if any(row[0] == held for row in found)]
    return Checked(findings, f"{len(tests)} comparisons of {material.looked()} examples")


def with_target(material: Material, name: str) -> tuple[numpy.ndarray, dict]:
    """Places, features, and the target as one more of them."""
    places, columns = features(material, name)
    target = targets(material, name, places)
    return places, columns if target is None else {**columns, "the target": target}


def comparable(material: Material, held: str, places: numpy.ndarray) -> numpy.ndarray:
    """Which training examples are of a domain that the other part has, (n,): pictures that are
    translated may have two domains in training and one in test.
    """
    domains = {getattr(example.input, "domain", None)
               for example in material.part(held).examples}
    train = material.part("train").examples
    return numpy.array([getattr(train[place].input, "domain", None) in domains
                        for place in places.tolist()], dtype=bool)


def finding(material: Material, held: str, rows: list, known: dict) -> Finding:
    """The differences of one part from the training part, the greatest first."""
    rows = sorted(rows, key=lambda row: -row[1])
    sizes = f"n = {len(known['train'][0]):,} and {len(known[held][0]):,}"
    listed = [f"{name}: {described(known['train'][1][name], known[held][1][name])}, "
              f"effect {effect:.2f}, p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"
              for name, effect, p in rows[:MENTIONED]]
    more = f"; {len(rows) - MENTIONED} more" if len(rows) > MENTIONED else ""
    return Finding(
        "error" if rows[0][1] >= LARGE and held == "test" else "warning",
        f"the {held} part is distributed otherwise than the training part",
        "; ".join(listed) + more + f"; {sizes}",
        "find out why; the score holds for data like the test part, so split at random unless the "
        "difference is meant",
        strangest(held, rows[0][0], known))


def described(train: numpy.ndarray, held: numpy.ndarray) -> str:
    """What differs, in a few words."""
    if train.dtype != object:
        middle = [float(numpy.nanmedian(some)) if (~numpy.isnan(some)).any() else float("nan")
                  for some in (train, held)]
        if middle[0] == middle[1]:
            middle = [float(numpy.nanmean(some)) for some in (train, held)]
            return f"mean {middle[0]:.4g} in train, {middle[1]:.4g} there"
        return f"median {middle[0]:.4g} in train, {middle[1]:.4g} there"
    names = sorted({str(value) for value in train.tolist()} | {str(v) for v in held.tolist()})
    shares = {name: [float(numpy.mean([str(v) == name for v in some.tolist()]))
                     for some in (train, held)] for name in names[:200]}
    name = max(shares, key=lambda name: abs(shares[name][0] - shares[name][1]))
    return f"{name!r} {shares[name][0]:.1%} in train, {shares[name][1]:.1%} there"


def strangest(held: str, name: str, known: dict) -> tuple[Sighting, ...]:
    """Examples of the part whose value of that feature is typical there."""
    places, columns = known[held]
    values = columns[name]
    if values.dtype == object or numpy.isnan(values).all():
        return ()
    middle = numpy.nanmedian(values)
    order = numpy.argsort(numpy.where(numpy.isnan(values), numpy.inf, abs(values - middle)))
    return tuple(Sighting(held, int(places[row]), f"{name} {values[row]:.4g}, typical there")
                 for row in order[:3].tolist())
