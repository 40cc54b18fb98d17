"""The examples of docs/format.md are what they say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from sbn_graphs import every_operation

from signbit.format import OPS, Bits, GraphBuilder, layout, read_bytes, write_bytes
from signbit.interop.npz import write_npz
from signbit.runtime import Session, available_isas

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text()


def example() -> bytes:
    """The bytes shown in the section on a whole file, zeros around them."""
    block = re.search(r"## A whole file\n.*?```\n(.*?)```", PAGE, re.DOTALL)
    assert block
    parts = {}
    for line in block[1].splitlines():
        shown = re.match(r"([0-9a-f]{3})  ((?:[0-9a-f]{2} ?)+?)(?:  |$)", line)
        assert shown, line
        parts[int(shown[1], 16)] = bytes.fromhex(shown[2])
    data = bytearray(int.from_bytes(parts[16][:8], "little"))
    for at, part in parts.items():
        assert not any(data[at : at + len(part)]), f"byte {at} is shown twice"
        data[at : at + len(part)] = part
    return bytes(data)


def test_the_whole_file_is_what_the_writer_makes_of_it() -> None:
    b = GraphBuilder()
    x = b.input((1, 1, 3), name="x")
    signs = {"thresholds": np.array([0, 0.5, -1], np.float32), "rising": Bits.pack([1, 1, 0])}
    x = b.node("threshold", x, blobs=signs, name="sign")
    weight = Bits.pack(np.array([[1, 0, 1], [0, 0, 1]]).reshape(2, 1, 1, 3))
    x = b.node("binary_conv2d", x, blobs={"weight": weight}, name="fc")
    scale = {"scale": np.ones(2, np.float32), "shift": np.zeros(2, np.float32)}
    x = b.node("affine", x, blobs=scale, name="out")
    assert example() == write_bytes(b.graph(x, {"labels": ["a", "b"]}))
    assert write_bytes(read_bytes(example())) == example()


@pytest.mark.parametrize("isa", available_isas())
def test_the_whole_file_computes_what_the_page_says(isa: str) -> None:
    with Session(example(), isa=isa) as session:
        image = np.array([0.5, 0.2, -2], np.float32).reshape(1, 3, 1, 1)
        np.testing.assert_array_equal(session.run(image), [[3, 1]])


def test_every_operation_has_its_row() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert {name: int(code) for code, name in rows} == {name: schema.code for name, schema in OPS.items()}


def test_every_field_has_its_row() -> None:
    """Offsets and order of the fields of every record."""
    for title, record in (
        ("Header", layout.HEADER),
        ("Values", layout.VALUE),
        ("Nodes", layout.NODE),
        ("Blobs", layout.BLOB),
    ):
        section = PAGE.split(f"### {title}\n")[1].split("\n#")[0]
        rows = re.findall(r"^\| (\d+) \| [^|]+ \| (\w+(?:, \w+)*) \|", section, re.MULTILINE)
        assert record.fields is not None
        assert [int(at) for at, _ in rows] == [offset for _, offset, *_ in record.fields.values()]
        for (_, documented), field in zip(rows, record.names or (), strict=True):
            assert documented in (field, field.partition("_")[0], "H, W, C")


def test_the_numpy_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_npz(every_operation(), Path("model.npz"))
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code
    exec(compile(code[1], "docs/format.md", "exec"), {})
    assert re.fullmatch(r"binary \(10, 3, 3, 3\) \d+\.\d% \+1\n", capsys.readouterr().out)
