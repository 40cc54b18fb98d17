"""The C library, built and installed as a user would; the graphs and the build of other tests serve here, too."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS / "native"), str(TESTS / "format")]

from native_build import CMAKE, COMPILER, build, run  # noqa: E402


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """What ``cmake --install --strip`` said, and in ``args[-1]`` where it put the files."""
    if CMAKE is None or COMPILER is None:
        pytest.skip("needs cmake and a C++ compiler")
    prefix = tmp_path_factory.mktemp("installed") / "prefix"
    result = run(CMAKE, "--install", build("native-tests", "all"), "--strip", "--prefix", prefix)
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture(scope="session")
def prefix(installed: subprocess.CompletedProcess[str]) -> Path:
    return Path(installed.args[-1])


@pytest.fixture(scope="session")
def library(prefix: Path) -> Path:
    """The shared library."""
    return next(path for path in prefix.rglob("libsignbit.*") if path.suffix in (".so", ".dylib"))


class Shape(ctypes.Structure):
    _fields_ = (("channels", ctypes.c_size_t), ("height", ctypes.c_size_t), ("width", ctypes.c_size_t))

    def chw(self) -> tuple[int, int, int]:
        return self.channels, self.height, self.width


@pytest.fixture(scope="session")
def capi(library: Path) -> ctypes.CDLL:
    """The functions of ``signbit.h`` with their types."""
    text, number, session = ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p
    functions = {
        "version": (text,),
        "isa": (text, number),
        "last_error": (text,),
        "open": (ctypes.c_int, text, text, ctypes.c_int, ctypes.POINTER(session)),
        "open_memory": (ctypes.c_int, ctypes.c_void_p, number, text, ctypes.c_int, ctypes.POINTER(session)),
        "close": (None, session),
        "input_shape": (Shape, session),
        "output_shape": (Shape, session),
        "metadata": (text, session),
        "session_isa": (text, session),
        "run": (ctypes.c_int, session, number, ctypes.c_void_p, number, ctypes.c_void_p, number),
    }
    loaded = ctypes.CDLL(str(library))
    for name, (result, *arguments) in functions.items():
        function = getattr(loaded, f"signbit_{name}")
        function.restype, function.argtypes = result, arguments
    return loaded
