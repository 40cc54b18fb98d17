"""Which part of the data one of several processes takes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from signbit.errors import ConfigError


@dataclass(frozen=True)
class Shard:
    """Rows ``rank, rank + count, rank + 2 count, ...``: over all ranks every row once. Shares differ by at most one.

    Attributes
    ----------
    rank : 0 .. count - 1.
    count : processes, >= 1.

    >>> import torch
    >>> [Shard(rank, 2).of(torch.arange(5)).tolist() for rank in (0, 1)]
    [[0, 2, 4], [1, 3]]
    """

    rank: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.count:
            raise ConfigError(f"Shard: 0 <= rank < count; got rank {self.rank} of {self.count}")

    def of(self, rows: Tensor) -> Tensor:
        """This process's part of ``rows``, a view."""
        return rows[self.rank :: self.count]
