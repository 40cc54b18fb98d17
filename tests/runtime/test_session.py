"""The user's face of the runtime: what it accepts, what it says when it doesn't, whatever engine is behind it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from sbn_graphs import every_operation, random_input

from signbit.errors import ConfigError, DataError, FormatError, ShapeError, SignbitError, UnusableIsaError
from signbit.format import GraphBuilder, write, write_bytes
from signbit.runtime import LayerTime, Session, available_isas, isa, reference

GRAPH = every_operation()
MODEL = write_bytes(GRAPH)
BATCH = random_input(GRAPH, 3, count=3)

every_isa = pytest.mark.parametrize("name", available_isas())


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIGNBIT_ISA", raising=False)
    monkeypatch.delenv("SIGNBIT_NUM_THREADS", raising=False)


@every_isa
def test_a_path_and_bytes(name: str, tmp_path: Path) -> None:
    write(GRAPH, tmp_path / "model.sbn")
    expected = reference.run(GRAPH, BATCH)[:, :, 0, 0]
    for model in (tmp_path / "model.sbn", str(tmp_path / "model.sbn"), MODEL, bytearray(MODEL), memoryview(MODEL)):
        with Session(model, threads=1, isa=name) as session:
            assert session.isa == name
            assert session.input_shape == (4, 6, 6)
            logits = session.run(BATCH)
            assert logits.dtype == np.float32
            assert logits.shape == expected.shape
            np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
            assert session.metadata["labels"] == ["kočka", "pes"]
            assert len(session.graph.nodes) == len(GRAPH.nodes)


@every_isa
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_any_batch_size_in_any_order(name: str, count: int) -> None:
    session = Session(MODEL, isa=name)
    batch = random_input(GRAPH, 5, count=5)
    whole = session.run(batch)
    assert session.run(batch[:count]).shape == (count, whole.shape[1])
    np.testing.assert_allclose(session.run(batch[:count]), whole[:count], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(session.run(batch), whole)


@every_isa
def test_an_image_as_output_keeps_its_axes(name: str) -> None:
    b = GraphBuilder()
    x = b.node("subsample", b.input((4, 6, 2)), attributes={"stride_h": 2, "stride_w": 3})
    batch = np.arange(3 * 2 * 4 * 6, dtype=np.float32).reshape(3, 2, 4, 6)
    session = Session(write_bytes(b.graph(x)), isa=name)
    np.testing.assert_array_equal(session.run(batch), batch[:, :, ::2, ::3])
    assert session.output_shape == (2, 2, 2)


@every_isa
def test_floats_of_any_width_and_layout(name: str) -> None:
    session = Session(MODEL, isa=name)
    expected = session.run(BATCH)
    np.testing.assert_array_equal(session.run(BATCH.astype(np.float64)), expected)
    np.testing.assert_array_equal(session.run(BATCH.tolist()), expected)
    np.testing.assert_array_equal(session.run(np.asfortranarray(BATCH)), expected)
    np.testing.assert_array_equal(session.run(np.repeat(BATCH, 2, axis=3)[..., ::2]), expected)
    np.testing.assert_array_equal(session.run(BATCH.astype(">f4")), expected)
    frozen = BATCH.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(session.run(frozen), expected)
    huge = BATCH.astype(np.float64)
    huge[0, 0, 0, 0] = 1e300
    assert session.run(huge).shape == expected.shape
    nan = BATCH.copy()
    nan[0] = np.nan
    np.testing.assert_allclose(session.run(nan)[1:], expected[1:], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "dtype", "says"),
    [
        ((4, 6, 6), "f4", r"\[4, 6, 6\]; add the batch axis"),
        ((2, 6, 6, 4), "f4", r"transpose\(0, 3, 1, 2\)"),
        ((2, 4, 6, 7), "f4", r"float32 \[N, 4, 6, 6\], not \[2, 4, 6, 7\]"),
        ((2, 4, 36), "f4", r"\[N, 4, 6, 6\]"),
        ((), "f4", r"\[N, 4, 6, 6\]"),
        ((2, 4, 6, 6), "u1", "not uint8; scale pixels to floats and normalise"),
        ((2, 4, 6, 6), "i8", "not int64"),
        ((2, 4, 6, 6), "c8", "not complex64"),
        ((2, 4, 6, 6), "?", "not bool"),
        ((2, 4, 6, 6), "O", "not object"),
    ],
)
@every_isa
def test_a_wrong_input_is_told_what_is_right(name: str, shape: tuple[int, ...], dtype: str, says: str) -> None:
    session = Session(MODEL, isa=name)
    for method in (session.run, session.profile):
        with pytest.raises(ShapeError, match=says):
            method(np.zeros(shape, dtype))


@every_isa
def test_profile(name: str) -> None:
    times = Session(MODEL, isa=name).profile(BATCH)
    steps = [op for row in times for op in row.op.split("+")]
    assert sorted(steps) == sorted(node.op for node in GRAPH.nodes)
    assert {row.name for row in times} <= {node.name for node in GRAPH.nodes}
    assert all(isinstance(row, LayerTime) and 0 <= row.seconds < 10 for row in times)
    expected = 0
    for node in GRAPH.nodes:
        weight, output = node.blobs.get("weight"), GRAPH.values[node.output].shape
        expected += 0 if weight is None else output[0] * output[1] * int(np.prod(weight.shape))
    assert sum(row.macs for row in times) == len(BATCH) * expected
    compared = [row for row in times if row.share_of_ceiling is not None]
    assert compared == [row for row in times if "binary_conv2d" in row.op and name != "reference"]
    assert all(row.share_of_ceiling == pytest.approx(row.gmacs_per_second / row.ceiling) for row in compared)


@every_isa
def test_memory_is_reported(name: str) -> None:
    sizes = [4 * int(np.prod(GRAPH.values[i].shape)) for i in (GRAPH.input, GRAPH.output)]
    everything = sum(64 + 8 * int(np.prod(value.shape)) for value in GRAPH.values)
    assert max(sizes) <= Session(MODEL, isa=name).memory_bytes <= everything


@every_isa
def test_closed(name: str) -> None:
    session = Session(MODEL, isa=name)
    session.close()
    session.close()
    for method in (session.run, session.profile):
        with pytest.raises(SignbitError, match="closed"):
            method(BATCH)
    with Session(MODEL, isa=name) as session:
        pass
    with pytest.raises(SignbitError, match="closed"):
        session.run(BATCH)


@every_isa
def test_threads_take_turns(name: str) -> None:
    session = Session(MODEL, isa=name, threads=2)
    batches = [random_input(GRAPH, seed, count=1 + seed % 3) for seed in range(8)]
    expected = [session.run(batch) for batch in batches]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(20):
            if not np.array_equal(session.run(batches[index]), expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_isa_by_argument_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Session(MODEL).isa == available_isas()[0]
    monkeypatch.setenv("SIGNBIT_ISA", "")
    assert Session(MODEL).isa == available_isas()[0]
    monkeypatch.setenv("SIGNBIT_ISA", "reference")
    assert Session(MODEL).isa == "reference"
    assert Session(MODEL, isa=available_isas()[0]).isa == available_isas()[0]


def test_an_unknown_isa_lists_the_usable_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    if available_isas() == ["reference"]:
        pytest.skip("the native module isn't built")
    usable = ", ".join(available_isas())
    with pytest.raises(UnusableIsaError, match=f"isa='mmx': there is no such tier; usable here: {usable}"):
        Session(MODEL, isa="mmx")
    monkeypatch.setenv("SIGNBIT_ISA", "mmx")
    with pytest.raises(UnusableIsaError, match="SIGNBIT_ISA='mmx'"):
        Session(MODEL)
    for name, runs, _ in isa.native().isa_tiers():
        if not runs:
            with pytest.raises(UnusableIsaError, match="this CPU cannot run it"):
                Session(MODEL, isa=name)


def test_threads_by_argument_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Session(MODEL).threads == 1
    assert Session(MODEL, threads=256).threads == 256
    monkeypatch.setenv("SIGNBIT_NUM_THREADS", "3")
    assert Session(MODEL).threads == 3
    assert Session(MODEL, threads=2).threads == 2
    for text in ("0", "257", "two", "-1", "1.5", "²"):
        monkeypatch.setenv("SIGNBIT_NUM_THREADS", text)
        with pytest.raises(ConfigError, match=r"SIGNBIT_NUM_THREADS is .*from 1 to 256"):
            Session(MODEL)
    for number in (0, 257, -1, 1.5, True, "2"):
        with pytest.raises(ConfigError, match=r"threads is .*from 1 to 256"):
            Session(MODEL, threads=number)  # type: ignore[arg-type]


@every_isa
def test_bad_files(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.sbn: No such file"):
        Session(tmp_path / "none.sbn", isa=name)
    with pytest.raises(DataError, match="Is a directory"):
        Session(tmp_path, isa=name)
    damaged = bytearray(MODEL)
    damaged[-1] ^= 1
    with pytest.raises(FormatError, match="checksum") as caught:
        Session(damaged, isa=name)
    assert caught.value.offset == 12
    with pytest.raises(FormatError):
        Session(b"", isa=name)


def test_without_the_native_module(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(isa, "import_module", missing)
    assert available_isas() == ["reference"]
    assert Session(MODEL, isa="reference").run(BATCH).shape == (3, 104)
    with pytest.raises(SignbitError, match=r"pip install .*isa='reference'"):
        Session(MODEL)
