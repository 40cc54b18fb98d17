"""The native core built by plain CMake, without Python, in ``build/`` where the next run finds it."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CMAKE = shutil.which("cmake", path=str(Path(sys.executable).parent)) or shutil.which("cmake")
COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
SANITIZE = "address,undefined"
NATIVE = "SIGNBIT_TEST_NATIVE"
"""The environment variable that names the build of the native module for ``native_substitute``."""

needs_compiler = pytest.mark.skipif(CMAKE is None or COMPILER is None, reason="needs cmake and a C++ compiler")


def run(
    *command: str | Path, timeout: float = 280, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    words = list(map(str, command))
    return subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False, env=environment)


@contextmanager
def alone_in(folder: str) -> Iterator[Path]:
    """A build folder that no other process uses meanwhile: tests run in several."""
    where = ROOT / "build" / folder
    where.mkdir(parents=True, exist_ok=True)
    with (where / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield where


def build(folder: str, target: str, *options: str) -> Path:
    """Builds one target; returns the build folder."""
    ninja = shutil.which("ninja", path=str(Path(sys.executable).parent)) or shutil.which("ninja")
    without_python = ["-DSIGNBIT_PYTHON=OFF", "-DSIGNBIT_TESTS=ON", "-DSIGNBIT_WERROR=ON"]
    assert CMAKE is not None
    with alone_in(folder) as where:
        configured_before = (where / "CMakeCache.txt").exists()
        generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"] if ninja and not configured_before else []
        configured = run(CMAKE, "-S", ROOT, "-B", where, *generator, *without_python, *options)
        assert configured.returncode == 0, configured.stderr
        built = run(CMAKE, "--build", where, "--target", target)
        assert built.returncode == 0, built.stdout + built.stderr
    return where


def skip_without_sanitizers(tmp_path: Path) -> None:
    probe = tmp_path / "probe.cpp"
    probe.write_text("int main() {}\n")
    options = [f"-fsanitize={SANITIZE}", str(probe), "-o", str(tmp_path / "probe")]
    if run(str(COMPILER), *options).returncode != 0 or run(tmp_path / "probe").returncode != 0:
        pytest.skip("the compiler has no address and undefined-behaviour sanitizers")
