"""Buckets: every example once an epoch, little padding, an order that only (seed, epoch) decides."""

import torch

from lamina.source import Buckets


def ragged(count: int = 500) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    random = torch.Generator().manual_seed(1)
    lengths = {"words": torch.randint(1, 200, (count,), generator=random),
               "answer": torch.randint(1, 30, (count,), generator=random)}
    data = {name: (torch.arange(int(length.max())) < length[:, None]).int()  # 1 where it counts
            for name, length in lengths.items()}
    return data | {"place": torch.arange(count)}, lengths


def epoch(source: Buckets) -> list[dict[str, torch.Tensor]]:
    return [next(source) for _ in range(source.length)]


def test_each_example_comes_once_an_epoch_in_another_order_and_other_company():
    first, second = (epoch(source) for source in [Buckets(*ragged(5000), 3000, seed=0)] * 2)
    for batches in (first, second):
        places = torch.cat([batch["place"] for batch in batches])
        assert torch.equal(places.sort().values, torch.arange(5000))
    company = [{frozenset(batch["place"].tolist()) for batch in batches}
               for batches in (first, second)]
    assert len(company[0] & company[1]) < 0.1 * len(company[0])  # small buckets are one batch
    assert [len(batch["place"]) for batch in first] != [len(batch["place"]) for batch in second]


def test_batches_keep_to_the_size_and_hold_little_padding():
    lengths = ragged()[1]
    taken = used = 0
    for batch in epoch(Buckets(*ragged(), 3000, seed=0)):
        for name, length in lengths.items():
            assert batch[name].shape[1] == length[batch["place"]].max(), "as long as its longest"
            assert torch.equal(batch[name].sum(1), length[batch["place"]]), "nothing is cut off"
        size = sum(batch[name].numel() for name in lengths)
        assert size <= 3000
        taken, used = taken + size, used + sum(int(batch[name].sum()) for name in lengths)
    assert used / taken > 0.8  # at random: 0.55
    [alone] = (b for b in epoch(Buckets(*ragged(9), 10, seed=0)) if 8 in b["place"])
    assert len(alone["place"]) == 1, "what is longer than the size is a batch of its own"


def test_buckets_continue_from_their_state():
    first, second = (Buckets(*ragged(), 3000, seed=0) for _ in range(2))
    for _ in range(first.length + 3):
        next(first)
    second.load_state_dict(first.state_dict())
    assert torch.equal(next(first)["place"], next(second)["place"])
