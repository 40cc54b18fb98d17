"""The C functions through ctypes: the numbers of ``Session`` bit for bit, and every way to call them wrongly."""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sbn_graphs import every_operation, random_graph, random_input

import signbit
from signbit.errors import FormatError
from signbit.format import write_bytes
from signbit.format.layout import VERSION
from signbit.runtime import Session, available_isas, isa

OK, INVALID_ARGUMENT, UNREADABLE_FILE, INVALID_FORMAT, UNUSABLE_ISA, OUT_OF_MEMORY = range(6)
TIERS = available_isas()[:-1]
GRAPH = every_operation()
MODEL = write_bytes(GRAPH)
BATCH = random_input(GRAPH, 3, count=3)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not TIERS, reason="the native module isn't built")]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIGNBIT_ISA", raising=False)
    monkeypatch.delenv("SIGNBIT_NUM_THREADS", raising=False)


def said(capi: ctypes.CDLL) -> str:
    return capi.signbit_last_error().decode()


def try_open(capi: ctypes.CDLL, data: bytes, isa: str | None = None, threads: int = 0) -> tuple[int, ctypes.c_void_p]:
    session = ctypes.c_void_p(1)
    name = None if isa is None else isa.encode()
    status = capi.signbit_open_memory(data, len(data), name, threads, ctypes.byref(session))
    return status, session


@contextmanager
def opened(
    capi: ctypes.CDLL, data: bytes = MODEL, isa: str | None = None, threads: int = 0
) -> Iterator[ctypes.c_void_p]:
    status, session = try_open(capi, data, isa, threads)
    assert status == OK, said(capi)
    yield session
    capi.signbit_close(session)


def run(capi: ctypes.CDLL, session: ctypes.c_void_p, x: np.ndarray) -> np.ndarray:
    y = np.empty((len(x), *capi.signbit_output_shape(session).chw()), np.float32)
    status = capi.signbit_run(session, len(x), x.ctypes.data, x.size, y.ctypes.data, y.size)
    assert status == OK, said(capi)
    return y


def assert_same_bits(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_array_equal(a.view(np.uint32).ravel(), b.view(np.uint32).ravel())


def test_version_and_tiers(capi: ctypes.CDLL) -> None:
    assert capi.signbit_version().decode() == signbit.__version__
    assert [capi.signbit_isa(i).decode() for i in range(len(TIERS))] == TIERS
    assert capi.signbit_isa(len(TIERS)) is None
    assert capi.signbit_isa(2**64 - 1) is None


@pytest.mark.parametrize("name", TIERS)
@pytest.mark.parametrize("threads", [1, 3])
def test_logits_are_those_of_session(capi: ctypes.CDLL, name: str, threads: int) -> None:
    for seed in range(25):
        graph = GRAPH if seed == 0 else random_graph(seed)
        data = write_bytes(graph)
        with Session(data, threads=threads, isa=name) as session, opened(capi, data, name, threads) as handle:
            assert capi.signbit_input_shape(handle).chw() == session.input_shape
            assert capi.signbit_output_shape(handle).chw() == session.output_shape
            assert capi.signbit_session_isa(handle).decode() == name
            assert json.loads(capi.signbit_metadata(handle)) == session.metadata
            for count in (0, 1, 5):
                x = random_input(graph, seed, count)
                assert_same_bits(run(capi, handle, x), session.run(x))


def test_a_path_and_bytes_at_any_address(capi: ctypes.CDLL, tmp_path: Path) -> None:
    expected = Session(MODEL).run(BATCH)
    path = tmp_path / "žluť.sbn"
    path.write_bytes(MODEL)
    handle = ctypes.c_void_p()
    assert capi.signbit_open(str(path).encode(), None, 0, ctypes.byref(handle)) == OK
    path.unlink()
    assert_same_bits(run(capi, handle, BATCH), expected)
    capi.signbit_close(handle)
    for shift in range(1, 9):
        memory = ctypes.create_string_buffer(bytes(shift) + MODEL)
        assert (
            capi.signbit_open_memory(ctypes.addressof(memory) + shift, len(MODEL), None, 0, ctypes.byref(handle)) == OK
        )
        ctypes.memset(memory, 255, len(memory))
        assert_same_bits(run(capi, handle, BATCH), expected)
        capi.signbit_close(handle)


def test_the_environment_chooses_what_the_caller_leaves_open(
    capi: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNBIT_ISA", TIERS[-1])
    monkeypatch.setenv("SIGNBIT_NUM_THREADS", "2")
    with opened(capi) as handle:
        assert capi.signbit_session_isa(handle).decode() == TIERS[-1]
    with opened(capi, isa=TIERS[0]) as handle:
        assert capi.signbit_session_isa(handle).decode() == TIERS[0]
    monkeypatch.setenv("SIGNBIT_ISA", "")
    monkeypatch.setenv("SIGNBIT_NUM_THREADS", "")
    with opened(capi) as handle:
        assert capi.signbit_session_isa(handle).decode() == TIERS[0]
    monkeypatch.setenv("SIGNBIT_ISA", "mmx")
    assert try_open(capi, MODEL)[0] == UNUSABLE_ISA
    assert re.search(rf"SIGNBIT_ISA: .*'mmx'.*usable here: {', '.join(TIERS)}$", said(capi))
    monkeypatch.delenv("SIGNBIT_ISA")
    for text in ("0", "257", "two", "-1", "1.5", "2 ", "99999999999999999999"):
        monkeypatch.setenv("SIGNBIT_NUM_THREADS", text)
        assert try_open(capi, MODEL)[0] == INVALID_ARGUMENT
        assert f"SIGNBIT_NUM_THREADS is '{text}'; a whole number from 1 to 256" in said(capi)
        with opened(capi, threads=2):
            pass


def test_settings_that_cannot_be(capi: ctypes.CDLL) -> None:
    for threads in (-1, 257, -(2**31)):
        assert try_open(capi, MODEL, threads=threads)[0] == INVALID_ARGUMENT
        assert f"1 .. 256, got {threads}" in said(capi)
    unusable = [name for name, usable, _ in isa.native().isa_tiers() if not usable]
    for name in ("", "AVX2", "x" * 100_000, *unusable):
        status, session = try_open(capi, MODEL, name)
        assert (status, session.value) == (UNUSABLE_ISA, None)
        assert name[:100] in said(capi)


def test_files_that_cannot_be_read(capi: ctypes.CDLL, tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.sbn", "No such file"), (tmp_path, "directory"), ("/dev/zero", "")):
        session = ctypes.c_void_p(1)
        assert capi.signbit_open(str(path).encode(), None, 0, ctypes.byref(session)) == UNREADABLE_FILE
        assert session.value is None
        assert re.search(rf"cannot read {path}: .*{reason}.*; give the path of a \.sbn file", said(capi))
    session = ctypes.c_void_p(1)
    (tmp_path / "empty.sbn").touch()
    assert capi.signbit_open(str(tmp_path / "empty.sbn").encode(), None, 0, ctypes.byref(session)) == INVALID_FORMAT
    assert session.value is None


def test_damaged_files(capi: ctypes.CDLL) -> None:
    for data in (*(MODEL[:size] for size in range(len(MODEL))), MODEL + b"\0", MODEL[:-1] + b"\1"):
        status, session = try_open(capi, data)
        assert (status, session.value) == (INVALID_FORMAT, None), len(data)
    for damaged in (MODEL[:8] + bytes([VERSION + 1]) + MODEL[9:], MODEL[:-1] + b"\1"):
        try_open(capi, damaged)
        with pytest.raises(FormatError) as error:
            isa.native().Program(damaged, None, 1)
        assert said(capi) == str(error.value)


def test_null_pointers(capi: ctypes.CDLL) -> None:
    session = ctypes.c_void_p(1)
    assert capi.signbit_open(None, None, 0, ctypes.byref(session)) == INVALID_ARGUMENT
    assert (said(capi), session.value) == ("path is NULL", None)
    assert capi.signbit_open(b"none.sbn", None, 0, None) == INVALID_ARGUMENT
    assert said(capi) == "session is NULL"
    session = ctypes.c_void_p(1)
    assert capi.signbit_open_memory(None, 64, None, 0, ctypes.byref(session)) == INVALID_ARGUMENT
    assert (said(capi), session.value) == ("data is NULL", None)
    assert capi.signbit_open_memory(MODEL, len(MODEL), None, 0, None) == INVALID_ARGUMENT
    assert said(capi) == "session is NULL"
    capi.signbit_close(None)
    for query in (capi.signbit_metadata, capi.signbit_session_isa):
        try_open(capi, b"")
        assert query(None) is None
        assert said(capi) == "session is NULL"
    for query in (capi.signbit_input_shape, capi.signbit_output_shape):
        try_open(capi, b"")
        assert query(None).chw() == (0, 0, 0)
        assert said(capi) == "session is NULL"
    assert capi.signbit_run(None, 0, None, 0, None, 0) == INVALID_ARGUMENT
    assert said(capi) == "session is NULL"


def test_buffers_of_the_wrong_size(capi: ctypes.CDLL) -> None:
    x = BATCH
    y = np.full((3, 104), 7, np.float32)
    with opened(capi) as handle:
        for batch, x_floats, y_floats, wrong in (
            (3, x.size - 1, y.size, "input_floats is 431; 3 of shape [4, 6, 6] take 144 each"),
            (3, x.size + 1, y.size, "input_floats is 433"),
            (2, x.size, y.size, "input_floats is 432; 2 of shape"),
            (3, 0, y.size, "input_floats is 0"),
            (0, x.size, 0, "input_floats is 432"),
            (2**63, 0, 0, "input_floats is 0"),  # 2^63 * 144 is 0 modulo 2^64
            (3, x.size, y.size - 1, "output_floats is 311; 3 of shape [104, 1, 1] take 104 each"),
            (3, x.size, y.size + 104, "output_floats is 416"),
            (2**61, (2**61 * 144) % 2**64, y.size, "input_floats is 0"),
        ):
            status = capi.signbit_run(handle, batch, x.ctypes.data, x_floats, y.ctypes.data, y_floats)
            assert status == INVALID_ARGUMENT
            assert wrong in said(capi)
        for name, pointers in {
            "input is NULL": (None, y.ctypes.data),
            "output is NULL": (x.ctypes.data, None),
            "input is not aligned for float": (x.ctypes.data + 1, y.ctypes.data),
            "output is not aligned for float": (x.ctypes.data, y.ctypes.data + 2),
            "input and output overlap": (x.ctypes.data, x.ctypes.data + 4 * (x.size - 1)),
        }.items():
            status = capi.signbit_run(handle, 3, pointers[0], x.size, pointers[1], y.size)
            assert (status, said(capi)) == (INVALID_ARGUMENT, name)
        assert (y == 7).all()
        assert capi.signbit_run(handle, 0, None, 0, None, 0) == OK
        assert_same_bits(run(capi, handle, x), Session(MODEL).run(x))


def test_each_thread_has_its_own_last_error(capi: ctypes.CDLL) -> None:
    try_open(capi, b"")
    here = said(capi)
    assert "magic" in here
    there: list[str] = []

    def work() -> None:
        there.append(said(capi))
        capi.signbit_open(None, None, 0, ctypes.byref(ctypes.c_void_p()))
        there.append(said(capi))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert there == ["", "path is NULL"]
    with opened(capi):
        assert said(capi) == here  # a success leaves it


def test_sessions_in_many_threads(capi: ctypes.CDLL) -> None:
    """Two sessions that everybody shares, on one and on two threads, and one of each thread's own."""
    batches = [random_input(GRAPH, seed, count=1 + seed % 3) for seed in range(6)]
    expected = [Session(MODEL).run(batch) for batch in batches]
    agreed: list[bool] = []

    def work(index: int) -> None:
        for _ in range(15):
            with opened(capi, threads=1 + index % 3) as own:
                for handle in (*shared, own):
                    y = run(capi, handle, batches[index])
                    agreed.append(y.tobytes() == expected[index].tobytes())

    with opened(capi, threads=1) as one, opened(capi, threads=2) as two:
        shared = (one, two)
        threads = [threading.Thread(target=work, args=(index,)) for index in range(len(batches))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert agreed == [True] * (6 * 15 * 3)


def python(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_memory_that_there_is_not(library: Path, tmp_path: Path) -> None:
    """A file of 8 GiB, all holes, where the process may have 2 GiB."""
    with (tmp_path / "huge.sbn").open("wb") as file:
        file.write(MODEL[:64])
        file.truncate(8 << 30)
    code = (
        "import ctypes, sys; lib = ctypes.CDLL(sys.argv[1]); lib.signbit_last_error.restype = ctypes.c_char_p\n"
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "session = ctypes.c_void_p(1)\n"
        "status = lib.signbit_open(sys.argv[2].encode(), None, 0, ctypes.byref(session))\n"
        "print(status, session.value, lib.signbit_last_error().decode())"
    )
    result = python(code, library, tmp_path / "huge.sbn")
    assert result.stdout.startswith(f"{OUT_OF_MEMORY} None out of memory"), result.stdout + result.stderr


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_unloading_the_library_leaves_its_threads_their_code(library: Path, tmp_path: Path) -> None:
    (tmp_path / "model.sbn").write_bytes(MODEL)
    code = (
        "import _ctypes, ctypes, os, sys; lib = ctypes.CDLL(sys.argv[1]); session = ctypes.c_void_p()\n"
        "assert lib.signbit_open(sys.argv[2].encode(), None, 3, ctypes.byref(session)) == 0\n"
        "run = lib.signbit_run; size = ctypes.c_size_t\n"
        "x = (ctypes.c_float * 28800)(); y = (ctypes.c_float * 20800)()\n"
        "assert run(session, size(200), x, size(28800), y, size(20800)) == 0\n"
        "lib.signbit_close(session); _ctypes.dlclose(lib._handle)\n"
        "print(len(os.listdir('/proc/self/task')) > 1, 'libsignbit' in open('/proc/self/maps').read())"
    )
    result = python(code, library, tmp_path / "model.sbn")
    assert (result.returncode, result.stdout) == (0, "True True\n"), result.stderr
