"""``signbit report`` on folders where not every run is finished."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from run_folders import write_run

from signbit.cli import main
from signbit.training.folder import RESULT


def unfinished(run: Path) -> Path:
    (run / RESULT).unlink()
    return run


def test_what_is_under_way_among_finished_runs_is_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "done", method="ste")
    waiting = unfinished(write_run(tmp_path / "waiting", method="bop2nd"))
    assert main(["report", str(tmp_path), "--record", str(tmp_path / "all.json")]) == 0
    assert f"left out, not finished: {waiting}" in capsys.readouterr().out
    assert "bop2nd" not in json.dumps(json.loads((tmp_path / "all.json").read_text()))


@pytest.mark.parametrize("named", [True, False], ids=["the run", "its folder"])
def test_nothing_finished_is_an_error(named: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = unfinished(write_run(tmp_path / "waiting", method="ste"))
    assert main(["report", str(waiting if named else tmp_path)]) == 2
    assert f"signbit train --resume {waiting}" in capsys.readouterr().err
