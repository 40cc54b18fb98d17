"""Instructions of 64-bit Arm counted under qemu: exact, the same every time, and fewer with NEON."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from native_build import build

sys.path.append(str(Path(__file__).parents[2]))
from benchmarks.neon_instructions import (
    CROSS_OPTIONS,
    Tools,
    build_plugin,
    count_ceiling,
    count_layer,
    find_qemu,
    instructions,
)
from signbit.errors import SignbitError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    try:
        qemu = find_qemu()
    except SignbitError as error:
        pytest.skip(str(error))
    program = build("native-aarch64", "run_tier", *CROSS_OPTIONS) / "run_tier"
    return Tools(qemu, build_plugin(qemu, tmp_path_factory.mktemp("plugin")), program)


def test_rounds_cost_the_same_number_of_instructions(tools: Tools) -> None:
    counts = [instructions(tools, "neon", "ceiling", rounds)[0] for rounds in (1, 2, 3, 3)]
    assert counts[1] - counts[0] == counts[2] - counts[1] > 0
    assert counts[2] == counts[3]


@pytest.mark.parametrize("tier", ["neon", "portable"])
def test_a_layer_stays_below_its_ceiling(tools: Tools, tier: str) -> None:
    ceiling = count_ceiling(tools, tier)
    rates = []
    for channels in (64, 128):
        layer = count_layer(tools, {"size": 6, "channels": channels, "kernel": 3}, tier)
        rates.append(layer["products"] / layer["instructions"])
    assert rates[0] < rates[1] < ceiling["products"] / ceiling["instructions"]


def test_neon_takes_fewer(tools: Tools) -> None:
    case = {"size": 6, "channels": 128, "kernel": 3}
    neon, portable = (count_layer(tools, case, tier)["instructions"] for tier in ("neon", "portable"))
    assert 2 * neon < portable


def test_a_failing_program_is_no_count(tools: Tools) -> None:
    with pytest.raises(SignbitError, match=r"exit code 1: instruction set 'avx2' belongs to another platform"):
        instructions(tools, "avx2", "ceiling", 1)
