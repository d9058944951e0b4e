import pytest
import torch

from lamina.metrics import neighbours


@pytest.mark.parametrize("chunk", [1 << 22, 100 * 12])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_nearest_is_that_of_all_distances_however_many_are_compared_at_a_time(
        chunk, dtype, monkeypatch):
    monkeypatch.setattr(neighbours, "CHUNK", chunk)
    torch.manual_seed(0)
    known, asked = ((255 * torch.rand(count, 3, 2, 2)).to(dtype) for count in (250, 130))
    between = torch.cdist(asked.flatten(1).double(), known.flatten(1).double())
    found = between[range(130), neighbours.nearest(known, asked)]
    torch.testing.assert_close(found, between.min(1).values)


def test_of_equals_the_first_is_nearest(monkeypatch):
    monkeypatch.setattr(neighbours, "CHUNK", 2)
    known, asked = torch.tensor([[3], [1], [1], [1]]), torch.tensor([[1], [3]])
    assert neighbours.nearest(known, asked) == [1, 0]
