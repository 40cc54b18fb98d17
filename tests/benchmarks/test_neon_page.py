"""The page of instruction counts says what its JSON says, and what is missing where nothing can be counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.neon_instructions import find_qemu, page
from signbit.errors import SignbitError

ROOT = Path(__file__).parents[2]

RESULTS = ROOT / "docs" / "results"


def test_the_page_is_the_one_of_the_json() -> None:
    result = json.loads((RESULTS / "neon-instructions.json").read_text())
    assert page(result) == (RESULTS / "neon-instructions.md").read_text()
    assert {(row["products"], row["tier"]) for row in result["layers"]} == {
        (115605504, "neon"),
        (115605504, "portable"),
    }


def test_rows_compare_with_the_ceiling_and_the_portable_tier() -> None:
    layer = {"size": 7, "channels": 8, "kernel": 3, "products": 1000}
    result = {
        "environment": {"date": "", "signbit": "", "qemu": "", "compiler": ""},
        "layers": [
            {**layer, "tier": "neon", "instructions": 50},
            {**layer, "tier": "portable", "instructions": 200},
        ],
        "ceilings": [
            {"tier": "neon", "products": 400, "instructions": 10},
            {"tier": "portable", "products": 100, "instructions": 10},
        ],
    }
    assert "| 7x7x8 3x3 | neon | 50 | 20.0 | 40.0 | 50 % | 4.00x |" in page(result)
    assert "| 7x7x8 3x3 | portable | 200 | 5.0 | 10.0 | 50 % | 1.00x |" in page(result)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SignbitError, match=r"qemu-aarch64 is not installed.*Debian: .*qemu-user"):
        find_qemu()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.neon_instructions", "--out", str(tmp_path)],
        **{"cwd": ROOT, "capture_output": True, "text": True, "check": False},
    )
    assert done.returncode == 2
    assert "is not installed" in done.stderr
    assert list(tmp_path.iterdir()) == []
