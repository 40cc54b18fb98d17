"""What the compiled module promises to Python: conventions, tiers, errors, threads and forks."""

from __future__ import annotations

import multiprocessing
import threading

import numpy as np
import pytest
from native_graphs import TIERS, as_floats, binarize

import signbit
from signbit import alphabet, errors
from signbit.alphabet import Alphabet
from signbit.format import Bits, DType, GraphBuilder, layout, write_bytes
from signbit.runtime import _native


def network(channels: int = 64, filters: int = 200) -> bytes:
    rng = np.random.default_rng(7)
    builder = GraphBuilder()
    bits = binarize(builder, builder.input((9, 11, channels), name="x"), Alphabet.PM1)
    weight = Bits.pack(rng.integers(0, 2, (filters, 3, 3, channels)))
    sums = builder.node("binary_conv2d", bits, blobs={"weight": weight}, name="layer.žluť")
    return write_bytes(builder.graph(as_floats(builder, sums)))


def images(count: int = 4, channels: int = 64) -> np.ndarray:
    return np.random.default_rng(8).standard_normal((count, channels, 9, 11)).astype(np.float32)


def at_odd_address(x: np.ndarray) -> np.ndarray:
    """The same numbers, one octet past where floats may lie."""
    octets = np.empty(x.nbytes + 1, np.uint8)[1:]
    octets[:] = np.frombuffer(x.tobytes(), np.uint8)
    return octets.view(x.dtype).reshape(x.shape)


def test_conventions_equal_those_of_python() -> None:
    expected = {"WORD_BITS": alphabet.WORD_BITS, "PADDING_BIT": alphabet.PADDING_BIT, "FORMAT_VERSION": layout.VERSION}
    for member in Alphabet:
        expected |= {
            member.name: member.value,
            f"{member.name}_LOW": member.low,
            f"{member.name}_HIGH": member.high,
            f"{member.name}_AT_ZERO": member.at_zero,
        }
    expected |= {dtype.name: dtype.value for dtype in DType}
    assert _native.constants() == expected
    assert alphabet.BIT_ORDER == "little"
    assert _native.version() == signbit.__version__


def test_tiers_are_listed_best_first_and_the_best_usable_is_the_default() -> None:
    names = [name for name, _, _ in _native.isa_tiers()]
    assert names[-1] == "portable"
    assert names == [
        name for name in ("amx_int8", "avx512_vpopcntdq", "avx512", "avx2", "neon", "portable") if name in names
    ]
    assert _native.isa_tiers()[-1][1]
    assert all(description for _, _, description in _native.isa_tiers())
    assert _native.Program(network()).isa == TIERS[0]
    for isa in TIERS:
        assert _native.Program(network(), isa).isa == isa


def test_unknown_and_unusable_tiers_are_refused_with_the_usable_ones() -> None:
    unusable = [name for name, usable, _ in _native.isa_tiers() if not usable]
    for name in ("avx1024", "", "AVX2", *unusable):
        with pytest.raises(errors.UnusableIsaError, match=f"{name!r}.*usable here: {', '.join(TIERS)}$"):
            _native.Program(network(), name)


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_threads_out_of_range(threads: int) -> None:
    with pytest.raises(errors.ConfigError, match=f"1 .. 256, got {threads}"):
        _native.Program(network(), None, threads)


def test_properties() -> None:
    program = _native.Program(network(), None, 2)
    assert (program.input_shape, program.output_shape, program.threads) == ((64, 9, 11), (200, 7, 9), 2)
    image, bits, sums = 4 * 9 * 11 * 64, 8 * 9 * 11, 4 * 7 * 9 * 200  # the affine overwrites the sums
    assert bits + sums <= program.memory_bytes < image + bits + sums + 3 * 64
    with pytest.raises(AttributeError):
        program.threads = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "x",
    [
        images()[0],
        images()[:, :, :, 1:],
        images()[:, :63],
        images().astype(np.float64),
        images().transpose(0, 2, 3, 1),
        images()[:, :, :, ::-1],
        images()[::2, ::-1],
        np.zeros((1, 64, 9, 11), np.int32),
        at_odd_address(images()),
    ],
    ids=["no batch", "width", "channels", "float64", "channels last", "reversed", "strided", "int32", "unaligned"],
)
def test_wrong_input_is_a_shape_error(x: np.ndarray) -> None:
    program = _native.Program(network())
    for call in (program.run, program.profile):
        with pytest.raises(errors.ShapeError, match=r"float32 images \[N, 64, 9, 11\], got"):
            call(x)


def test_format_errors_carry_the_offset() -> None:
    data = bytearray(network())
    data[8] = 3
    with pytest.raises(errors.FormatError, match=r"versions 1 and 2, got 3 \(at byte offset 8\)") as error:
        _native.Program(bytes(data))
    assert error.value.offset == 8


def test_profile_names_every_step() -> None:
    rows = _native.Program(network(), None, 1).profile(images())
    assert [(name, op) for name, op, *_ in rows] == [("", "threshold"), ("layer.žluť", "binary_conv2d+affine")]
    assert all(seconds > 0 for _, _, seconds, _ in rows)
    assert [macs for *_, macs in rows] == [0, 4 * 200 * 7 * 9 * 64 * 9]


def test_calls_from_many_threads_agree() -> None:
    """One program shared by some of them, the pool shared by all."""
    shared, x = _native.Program(network(), None, 2), images()
    expected = shared.run(x)
    differences: list[int] = []

    def work(program: _native.Program) -> None:
        for _ in range(10):
            differences.append(int((program.run(x) != expected).sum()))

    workers = [threading.Thread(target=work, args=(shared,)) for _ in range(2)]
    workers += [threading.Thread(target=work, args=(_native.Program(network(), None, 3),)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert differences == [0] * 40


def _sum_in_child(program: _native.Program, x: np.ndarray, queue: multiprocessing.queues.Queue[float]) -> None:
    queue.put(float(program.run(x).sum()))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_can_run_after_its_parent_did() -> None:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this platform does not fork")
    program, x = _native.Program(network(), None, 3), images()
    expected = float(program.run(x).sum())
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_sum_in_child, args=(program, x, queue))
    child.start()
    assert queue.get(timeout=30) == expected
    child.join(30)
    assert child.exitcode == 0
    assert float(program.run(x).sum()) == expected
