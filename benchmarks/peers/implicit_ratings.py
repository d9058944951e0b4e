"""Alternating least squares of the library implicit: settings chosen on the validation part.

    python implicit_ratings.py PARTS.npz

train, ask, judge: bool (users, items), what is known when training, validation and test are asked;
truth, count: what the validation part took, items from 1. Prints the 10 best items of each test
user, from 1.
"""

import itertools
import json
import os
import sys
from importlib.metadata import version

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the library advises

import numpy
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix

GRID = {"factors": (8, 16, 32, 64), "regularization": (0.1, 1.0, 10.0), "alpha": (0.3, 1.0, 3.0)}


def main() -> None:
    parts = numpy.load(sys.argv[1])
    train, ask, judge = (csr_matrix(parts[name].astype(numpy.float32))
                         for name in ("train", "ask", "judge"))
    best = None
    for values in itertools.product(*GRID.values()):
        chosen = dict(zip(GRID, values, strict=True))
        model = AlternatingLeastSquares(**chosen, iterations=15, random_state=0)
        model.fit(train, show_progress=False)
        value = ndcg(top(model, ask), parts["truth"], parts["count"])
        if best is None or value > best[0]:
            best = (value, chosen, model)
    print(json.dumps({"validation": best[0], "settings": best[1],
                      "top": top(best[2], judge).tolist(),
                      "versions": {name: version(name) for name in ("implicit", "numpy")}}))


def top(model: AlternatingLeastSquares, known: csr_matrix) -> numpy.ndarray:
    """The 10 best items from 1 of each user's history, folded in."""
    users = numpy.arange(known.shape[0])
    items, _ = model.recommend(users, known, N=10, filter_already_liked_items=True,
                               recalculate_user=True)
    return items + 1


def ndcg(top: numpy.ndarray, truth: numpy.ndarray, count: numpy.ndarray) -> float:
    """As lamina counts it."""
    discount = 1 / numpy.log2(numpy.arange(2, 12))
    return float(numpy.mean([numpy.isin(row, true[true > 0]) @ discount / discount[:n].sum()
                             for row, true, n in zip(top, truth, count, strict=True)]))


if __name__ == "__main__":
    main()
