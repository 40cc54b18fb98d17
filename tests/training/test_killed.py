"""A run that is killed at any moment, while it writes too, ends with the weights of a run that is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from signbit.callbacks.record import read_rows
from signbit.methods import METHODS
from signbit.training.checkpoints import BEST, LAST, read_checkpoint
from signbit.training.folder import read_result

KILLS = int(os.environ.get("SIGNBIT_KILLS", "0"))
"""How often every method's run is killed; by default a few methods are, a few times."""
METHODS_KILLED = [*METHODS.names(), "cyclebnn+sfao"] if KILLS else ["bop2nd", "cyclebnn+sfao"]


def equal(one: object, two: object) -> bool:
    """Whether two checkpoints, or parts of them, hold the same."""
    if isinstance(one, torch.Tensor):
        return isinstance(two, torch.Tensor) and torch.equal(one, two)
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(equal(value, two[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(two, list | tuple):
        return len(one) == len(two) and all(map(equal, one, two))
    return one == two


@pytest.mark.slow
@pytest.mark.timeout(600 + 60 * KILLS * len(METHODS_KILLED))
def test_killed_runs_end_with_the_weights_of_those_left_in_peace(tmp_path: Path) -> None:
    seed = os.environ.get("SIGNBIT_SEED", "20261121")
    script = Path(__file__).with_name("killed_runs.py")
    command = [sys.executable, str(script), str(tmp_path), seed, str(KILLS or 4), *METHODS_KILLED]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    print(f"seed {seed}\n{done.stdout}")
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [report["method"] for report in reports] == METHODS_KILLED
    for report in reports:
        assert sum(moment != "never" for moment in report["kills"]) >= 3, report
        whole, killed = (tmp_path / f"{report['method']}-{name}" for name in ("whole", "killed"))
        for name in (LAST, BEST):
            one, two = (read_checkpoint(run / name) for run in (whole, killed))
            for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch"):
                assert equal(one[part], two[part]), (report, name, part)
        first, second = read_result(whole), read_result(killed)
        assert first is not None
        assert second is not None
        for figure in ("test_accuracy", "val_accuracy", "epochs", "best_val_accuracy", "best_epoch"):
            assert getattr(first, figure) == getattr(second, figure), report
        rows = [[{k: v for k, v in row.items() if "seconds" not in k} for row in read_rows(run / "metrics.csv")]
                for run in (whole, killed)]  # fmt: skip
        assert rows[0] == rows[1], report
        for run in (whole, killed):
            left = [path.name for path in run.rglob(".*")]
            assert left == [], f"{report}: temporary files are cleaned up"
        if "sfao" in report["method"]:
            assert first.epochs < 4, "SFAO stops early here, and at the same epoch"
