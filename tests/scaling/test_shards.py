"""What several processes see, together, is what one sees alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from signbit.data import Dataset, Split
from signbit.data.batches import EvalBatches, TrainBatches
from signbit.data.shard import Shard
from signbit.errors import ConfigError


def numbered(count: int) -> Dataset:
    """Images that carry their number as label."""
    split = Split(np.zeros((count, 1, 2, 2), np.uint8), np.arange(count, dtype=np.int64))
    return Dataset("toy", split, split, split, tuple(map(str, range(count))), (0.5,), (0.5,), "L")


def drawn(data: Dataset, shard: Shard | None, epoch: int = 3) -> list[list[int]]:
    batches = TrainBatches(data.train, data, batch_size=12, seed=5)
    if shard is not None:
        batches.share(shard)
    batches.sampler.set_epoch(epoch)
    return [labels.tolist() for _, labels in batches]


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_the_shares_of_a_training_batch_make_up_the_batch_of_one_process(processes: int) -> None:
    data = numbered(101)
    alone = drawn(data, None)
    shares = [drawn(data, Shard(rank, processes)) for rank in range(processes)]
    assert {len(labels) for share in shares for labels in share} == {12 // processes}
    for step, batch in enumerate(alone):
        assert sorted(number for share in shares for number in share[step]) == sorted(batch)


def test_processes_augment_differently_and_each_always_the_same() -> None:
    data = numbered(40)

    class Noise(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images + torch.rand(len(images), 1, 1, 1)

    def images(rank: int) -> torch.Tensor:
        batches = TrainBatches(data.train, data, batch_size=12, seed=5, augmentation=Noise())
        batches.share(Shard(rank, 2))
        return torch.cat([part for part, _ in batches])

    assert torch.equal(images(0), images(0))
    assert not (images(0) == images(1)).any()


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
@pytest.mark.parametrize(("count", "batch_size"), [(63, 8), (64, 8), (65, 8), (5, 1), (7, 250), (250, 125), (251, 125)])
def test_every_image_is_evaluated_once_in_equally_many_batches(processes: int, count: int, batch_size: int) -> None:
    data = numbered(count)
    parts = [
        [labels.tolist() for _, labels in EvalBatches(data.test, data, batch_size=batch_size, shard=shard)]
        for shard in (Shard(rank, processes) for rank in range(processes))
    ]
    assert sorted(number for part in parts for labels in part for number in labels) == list(range(count))
    assert len({len(part) for part in parts}) == 1, "a process with fewer batches would leave the others waiting"
    sizes = [len(labels) for part in parts for labels in part]
    assert min(sizes) >= 1
    assert max(sizes) <= max(batch_size, 2 if processes > 1 else 1)


def test_what_cannot_be_shared_out_is_refused() -> None:
    data = numbered(40)
    with pytest.raises(ConfigError, match="12 cannot be divided among 5 processes; give a multiple of 5"):
        TrainBatches(data.train, data, batch_size=12, seed=0).share(Shard(0, 5))
    with pytest.raises(ConfigError, match="2 images cannot be divided among 3 processes"):
        EvalBatches(numbered(2).test, data, shard=Shard(0, 3))
    with pytest.raises(ConfigError, match="0 <= rank < count; got rank 2 of 2"):
        Shard(2, 2)
