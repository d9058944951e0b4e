"""How like a set of real pictures a set of made ones is, in features that some net sees."""

import numpy
import torch
from torch import Tensor

NEIGHBOURS = 3  # whose distance is the radius of a ball


def within(points: Tensor, pool: Tensor) -> Tensor:
    """(points,) whether each lies where the pool has pictures: in one of the balls around its
    members that reach to their third nearest neighbour.

    Of made pictures among real ones the mean is the precision, of real among made the recall
    (Kynkäänniemi et al. 2019, equations 1 to 3). Both (pictures, features).
    """
    if len(pool) <= NEIGHBOURS:
        return torch.zeros(len(points), dtype=torch.bool, device=points.device)
    exact = "donot_use_mm_for_euclid_dist"
    between = torch.cdist(pool, pool, compute_mode=exact)
    radii = between.kthvalue(NEIGHBOURS + 1, dim=1).values  # the nearest of all is itself
    return (torch.cdist(points, pool, compute_mode=exact) <= radii).any(1)


def copying(made: numpy.ndarray, real: numpy.ndarray) -> float:
    """How much nearer to the training pictures made ones are than new real ones: a z value.

    Far below 0 (-3) where a net copies (Meehan et al. 2020, equation 1: Mann and Whitney's test).
    made, real: distances to the nearest training picture.
    """
    order = numpy.concatenate([made, real]).argsort(kind="stable").argsort() + 1.0
    both = numpy.concatenate([made, real])
    for value in numpy.unique(both):  # equal distances share their ranks
        order[both == value] = order[both == value].mean()
    first, second = len(made), len(real)
    above = order[:first].sum() - first * (first + 1) / 2
    spread = numpy.sqrt(first * second * (first + second + 1) / 12)
    return float((above - first * second / 2) / spread)
