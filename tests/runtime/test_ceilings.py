"""Every tier has a ceiling, measured where the CPU can run it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from signbit.errors import UnusableIsaError
from signbit.runtime import available_isas, ceilings
from signbit.runtime.ceilings import ceiling

USABLE = set(available_isas()) - {"reference"}
TIERS = Path(__file__).parents[2] / "native" / "src" / "kernels" / "tiers.cpp"
pytestmark = pytest.mark.skipif(not USABLE, reason="the native module isn't built")


def test_every_tier_of_every_platform_has_a_row() -> None:
    rows = ceilings()
    named = re.findall(r"^constexpr TierName \w+ = \{\s*\"(\w+)\"", TIERS.read_text(), re.MULTILINE)
    assert set(named) == {row.isa for row in rows}
    assert {"amx_int8", "avx512_vpopcntdq", "avx512", "avx2", "neon", "portable"} == set(named)
    assert {row.isa for row in rows if row.gmacs_per_second is not None} == USABLE
    assert all(row.way for row in rows if row.isa in USABLE)
    assert all(1 < row.gmacs_per_second < 100_000 for row in rows if row.gmacs_per_second is not None)


def test_ways_of_counting_are_told_apart() -> None:
    for isa, most in (("avx2", 2), ("amx_int8", 2), ("portable", 1)):
        if isa in USABLE:
            assert len({row.way for row in ceilings() if row.isa == isa}) == most


def test_the_ceiling_of_a_tier_stays_what_it_was() -> None:
    assert {isa: ceiling(isa) for isa in USABLE} == {isa: ceiling(isa) for isa in USABLE}


def test_no_ceiling_where_the_tier_cannot_run() -> None:
    for row in ceilings():
        if row.isa not in USABLE:
            with pytest.raises(UnusableIsaError, match=row.isa):
                ceiling(row.isa)
