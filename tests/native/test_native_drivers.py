"""The native test drivers, built by plain CMake without Python: kernels, threads, sanitized fuzzing, symbols."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from native_build import (
    COMPILER,
    NATIVE,
    SANITIZE,
    build,
    needs_compiler,
    objects_of_kernels,
    run,
    skip_without_sanitizers,
)
from test_native_loader import GOOD

from signbit.format import Bits, GraphBuilder, write_bytes

EMULATED = ("amx_int8", "avx512_vpopcntdq", "avx512")
needs_x86 = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="these instruction sets belong to another platform"
)
pytestmark = [pytest.mark.slow, needs_compiler]


def test_kernels_count_like_a_loop_over_bits() -> None:
    result = run(build("native-tests", "check_kernels") / "check_kernels")
    print(result.stdout)
    assert result.returncode == 0, result.stdout
    assert "portable bgemm: " in result.stdout


def build_emulated(target: str) -> Path:
    """A build whose tiers above avx2 run in emulation."""
    include = run(str(COMPILER), "-E", "-x", "c++", "-include", "simde/x86/avx512.h", "/dev/null")
    if include.returncode != 0:
        pytest.skip("SIMDe's headers are not installed (Debian: libsimde-dev)")
    options = ("-DSIGNBIT_PYTHON=ON", "-DSIGNBIT_EMULATE=ON", f"-DPython_EXECUTABLE={sys.executable}")
    return build("native-emulated", target, *options)


@needs_x86
def test_kernels_in_emulation() -> None:
    result = run(build_emulated("check_kernels") / "check_kernels")
    assert result.returncode == 0, result.stdout
    for kernel in ("amx_int8 tapgemm", "amx_int8 bgemm", "avx512 bgemm"):
        assert f"{kernel}: " in result.stdout


@needs_x86
def test_kernels_in_emulation_on_buffers_in_unusual_places() -> None:
    result = run(build_emulated("check_placement") / "check_placement", "sparse")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "amx_int8 tapgemm: ok" in result.stdout


@needs_x86
@pytest.mark.parametrize("tests", ["test_native_binary_conv.py", "test_native_fusion.py", "test_native_buffers.py"])
def test_whole_networks_in_emulation(tests: str) -> None:
    """Every shape that the other tiers are compared on, in a build of the module that emulates those above avx2."""
    (module,) = build_emulated("_native").glob("_native.*")
    here = Path(__file__).parent
    environment = {**os.environ, NATIVE: str(module), "PYTHONPATH": os.pathsep.join([str(here), *sys.path])}
    options = ("-p", "native_substitute", "-n0", "-p", "no:cacheprovider", "-k", "not beyond_2_gib")
    result = run(sys.executable, "-m", "pytest", *options, here / tests, environment=environment)
    print(result.stdout)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr
    tiers = re.search(f"tiers of {NATIVE}: (.*)", result.stdout)
    assert tiers is not None
    assert set(EMULATED) <= set(tiers[1].split())


def test_kernels_on_buffers_in_unusual_places() -> None:
    """Odd addresses, output over input, bytes past 2 GiB; the far buffers are mostly pages that nobody touches."""
    result = run(build("native-tests", "check_placement") / "check_placement")
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "portable pointwise: ok" in result.stdout


def test_parallel_for() -> None:
    result = run(build("native-tests", "check_parallel") / "check_parallel", timeout=60)
    assert (result.returncode, result.stdout) == (0, "parallel_for: ok\n")


@needs_x86
@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm")
def test_instruction_set_objects_export_one_table_and_share_nothing() -> None:
    objects = objects_of_kernels(build("native-tests", "signbit_kernels"), "nm")
    assert {"bgemm_avx512_vpopcntdq.cpp.o", "bgemm_table_avx512.cpp.o", "tapgemm_amx_int8.cpp.o"} <= objects


def test_fuzzed_files_under_sanitizers(tmp_path: Path) -> None:
    skip_without_sanitizers(tmp_path)
    rng = np.random.default_rng(0)
    builder = GraphBuilder()
    x = builder.input((7, 7, 16))
    for channels, pad in ((16, 1), (16, 0)):
        blobs = {"thresholds": np.zeros(channels, np.float32), "rising": Bits.pack(np.ones(channels))}
        bits = builder.node("threshold", x, blobs=blobs)
        attributes = {"pad_top": pad, "pad_left": pad, "pad_bottom": pad, "pad_right": pad}
        weight = Bits.pack(rng.integers(0, 2, (16, 3, 3, 16)))
        sums = builder.node("binary_conv2d", bits, attributes=attributes, blobs={"weight": weight})
        one, zero = np.ones(16, np.float32), np.zeros(16, np.float32)
        x = builder.node("affine", sums, blobs={"scale": one, "shift": zero})
    (tmp_path / "all.sbn").write_bytes(GOOD)
    (tmp_path / "chain.sbn").write_bytes(write_bytes(builder.graph(x)))
    corpus = sorted((Path(__file__).parents[2] / "native" / "fuzz" / "corpus").iterdir())
    driver = build("native-sanitized", "fuzz_load", f"-DSIGNBIT_SANITIZE={SANITIZE}") / "fuzz_load"
    result = run(driver, "6", "1", tmp_path / "all.sbn", tmp_path / "chain.sbn", *corpus, timeout=120)
    print(result.stdout)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    tried, loaded, ran = (int(word) for word in result.stdout.split()[1::2])
    assert tried > 200
    assert loaded >= ran > 0
