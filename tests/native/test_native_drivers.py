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
from native_build import COMPILER, NATIVE, SANITIZE, build, needs_compiler, run, skip_without_sanitizers
from test_native_loader import GOOD

from signbit.format import Bits, GraphBuilder, write_bytes

pytestmark = [pytest.mark.slow, needs_compiler]


def test_kernels_count_like_a_loop_over_bits() -> None:
    result = run(build("native-tests", "check_kernels") / "check_kernels")
    print(result.stdout)
    assert result.returncode == 0, result.stdout
    assert "bgemm portable" in result.stdout


def skip_without_simde() -> None:
    include = run(str(COMPILER), "-E", "-x", "c++", "-include", "simde/x86/avx512.h", "/dev/null")
    if include.returncode != 0:
        pytest.skip("SIMDe's headers are not installed (Debian: libsimde-dev)")


def test_avx512_kernels_in_emulation() -> None:
    skip_without_simde()
    result = run(build("native-tests", "check_kernels_emulated") / "check_kernels_emulated")
    assert result.returncode == 0, result.stdout
    assert "avx512_vpopcntdq (emulated)" in result.stdout


@pytest.mark.parametrize("tests", ["test_native_binary_conv.py", "test_native_fusion.py"])
def test_whole_networks_on_the_avx512_tier_in_emulation(tests: str) -> None:
    """Every shape that the other tiers are compared on, in a build of the module that emulates this one."""
    skip_without_simde()
    options = ("-DSIGNBIT_PYTHON=ON", "-DSIGNBIT_EMULATE_AVX512=ON", f"-DPython_EXECUTABLE={sys.executable}")
    (module,) = build("native-emulated", "_native", *options).glob("_native.*")
    here = Path(__file__).parent
    environment = {**os.environ, NATIVE: str(module), "PYTHONPATH": os.pathsep.join([str(here), *sys.path])}
    options = ("-p", "native_substitute", "-n0", "-p", "no:cacheprovider")
    result = run(sys.executable, "-m", "pytest", *options, here / tests, environment=environment)
    print(result.stdout)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr
    tiers = re.search(f"tiers of {NATIVE}: (.*)", result.stdout)
    assert tiers is not None
    assert "avx512_vpopcntdq" in tiers[1].split()


def test_parallel_for() -> None:
    result = run(build("native-tests", "check_parallel") / "check_parallel", timeout=60)
    assert (result.returncode, result.stdout) == (0, "parallel_for: ok\n")


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="no instruction-set files on this platform")
@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm")
def test_instruction_set_objects_export_one_table_and_share_nothing() -> None:
    """A weak symbol could be the copy that the linker keeps for a CPU that cannot run it."""
    where = build("native-tests", "signbit_kernels")
    objects = [path for path in where.rglob("*.o") if "signbit_kernels.dir" in str(path)]
    assert any("avx512" in path.name for path in objects)
    for path in objects:
        symbols = [line.split()[-2:] for line in run("nm", path).stdout.splitlines()]
        defined = [(kind, name) for kind, name in symbols if kind.isupper() and kind != "U"]
        assert len(defined) == 1, (path.name, defined)
        assert defined[0][0] in "DR"
        outside = {name for kind, name in symbols if kind in "Uwv"} - {"memcpy", "memset", "_GLOBAL_OFFSET_TABLE_"}
        assert not outside, (path.name, outside)


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
    driver = build("native-sanitized", "fuzz_load", f"-DSIGNBIT_SANITIZE={SANITIZE}") / "fuzz_load"
    result = run(driver, "6", "1", tmp_path / "all.sbn", tmp_path / "chain.sbn", timeout=120)
    print(result.stdout)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    tried, loaded, ran = (int(word) for word in result.stdout.split()[1::2])
    assert tried > 200
    assert loaded >= ran > 0
