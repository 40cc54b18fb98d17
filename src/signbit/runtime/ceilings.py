"""How many one-bit products a core can take in a second: what a layer's speed is compared with."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from signbit.runtime.isa import native


class Ceiling(NamedTuple):
    """One way of counting one-bit products.

    Attributes
    ----------
    isa : the tier.
    way : what counts, in words; empty where nothing was measured.
    gmacs_per_second : 10^9 products a second on one core; None if this CPU cannot run the tier.
    """

    isa: str
    way: str
    gmacs_per_second: float | None


def ceilings() -> list[Ceiling]:
    """A row for every way of every tier, those of other CPUs included; takes tenths of a second.

    Measured now, on registers and a few cache lines, with the instructions that the kernels count with and nothing else
    (``native/src/kernels/ceiling.h``).

    >>> [row.gmacs_per_second for row in ceilings() if row.isa in ("neon", "amx_int8")].count(None) > 0
    True
    """
    rows: list[Ceiling] = []
    for isa, usable, _ in native().isa_tiers():
        rows += [Ceiling(isa, *row) for row in native().ceilings(isa)] if usable else [Ceiling(isa, "", None)]
    return rows


@cache
def ceiling(isa: str) -> float:
    """10^9 one-bit products a second on one core of a tier, by its best way; measured once in a process.

    Errors
    ------
    UnusableIsaError : there is no such tier, or this CPU cannot run it.
    """
    return float(max(rate for _, rate in native().ceilings(isa)))
