"""Every example runs as a program would, on few epochs, and is short."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from signbit.format import GraphBuilder, write_bytes

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LONGER = {"read_sbn.py"}
"""A whole reader of the file format; tests/format runs it."""

SMOKE = {
    "own_binarizer.py": ["--epochs", "1"],
    "own_network.py": ["--epochs", "1"],
    "serve.py": ["model.sbn", "--requests", "20"],
    "three_seeds.py": ["--epochs", "1", "--seeds", "1"],
    "watch_signs.py": ["--epochs", "2", "--methods", "ste,bop2nd"],
}
"""Example -> arguments with which it takes seconds."""


def test_every_example_is_run_and_short() -> None:
    lines = {path.name: len(path.read_text().splitlines()) for path in EXAMPLES.glob("*.py")}
    assert lines.keys() == SMOKE.keys() | LONGER
    assert {name: count for name, count in lines.items() if count >= 80 and name not in LONGER} == {}


@pytest.mark.parametrize("name", SMOKE)
def test_example(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if "model.sbn" in SMOKE[name]:
        (tmp_path / "model.sbn").write_bytes(_small_file())
    monkeypatch.setattr("sys.argv", [name, *SMOKE[name]])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert capsys.readouterr().out


def _small_file() -> bytes:
    builder = GraphBuilder()
    return write_bytes(builder.graph(builder.node("flatten", builder.input((2, 2, 1)))))
