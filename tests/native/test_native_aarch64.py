"""The NEON tier: the core built for 64-bit Arm by a cross compiler, its drivers and whole networks run by qemu."""

from __future__ import annotations

import itertools
import platform
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from native_build import build, objects_of_kernels, run
from test_native_binary_conv import ALPHABETS_AND_PADS, CHANNELS, network, random_case, usual_case

from signbit.runtime import reference

sys.path += [str(Path(__file__).parents[1] / "soak"), str(Path(__file__).parents[2])]
from exact_graphs import exact_graph, exact_input
from soak import write_case

from benchmarks.neon_instructions import CROSS_OPTIONS

CROSS = "aarch64-linux-gnu-"
QEMU = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() == "aarch64", reason="the other tests run the NEON tier on this CPU itself"),
    pytest.mark.skipif(
        QEMU is None or shutil.which(CROSS + "g++") is None,
        reason="needs a cross compiler and an emulator (Debian: g++-aarch64-linux-gnu, qemu-user)",
    ),
]


def emulated(driver: str, *arguments: str | Path) -> str:
    result = run(str(QEMU), build("native-aarch64", driver, *CROSS_OPTIONS) / driver, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_kernels_count_like_a_loop_over_bits() -> None:
    lines = emulated("check_kernels").splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("neon bgemm")] == ["neon bgemm"]
    assert not [line for line in lines if line.startswith("not run")]


def test_kernels_on_buffers_in_unusual_places() -> None:
    assert "neon threshold_pack: ok" in emulated("check_placement", "sparse")


def test_parallel_for() -> None:
    assert emulated("check_parallel", "without fork") == "parallel_for: ok without fork\n"


def test_whole_networks_equal_the_reference(tmp_path: Path) -> None:
    """Random convolutions, the usual one at every word boundary, and networks of all operations that can be exact."""
    cases = [(random_case(np.random.default_rng([seed, 1])), seed) for seed in range(60)]
    for channels, (alphabet, pad_value) in itertools.product(CHANNELS, ALPHABETS_AND_PADS):
        cases.append((usual_case(channels, alphabet, pad_value), channels))
    networks = [network(case, seed) for case, seed in cases]
    for seed in range(40):
        graph, _ = exact_graph(seed)
        x = exact_input(graph, seed, 3)
        networks.append((graph, x, reference.run(graph, x)))
    for i, case in enumerate(networks):
        write_case(tmp_path, i, *case)
    output = emulated("check_outputs", tmp_path, str(len(networks)))
    assert output == f"neon: {len(networks)} networks\nportable: {len(networks)} networks\n"


def test_objects_export_one_table_and_share_nothing() -> None:
    objects = objects_of_kernels(build("native-aarch64", "signbit_kernels", *CROSS_OPTIONS), CROSS + "nm")
    assert "bgemm_neon.cpp.o" in objects
