"""A comparison that is killed, or whose run is, goes on without repeating what is finished."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from signbit.cli import main
from signbit.training import RunConfig

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the processes of a comparison in /proc"),
]

EPOCHS = 6


def options(out: Path) -> list[str]:
    """Two small runs, one after the other."""
    settings = []
    for method in ("ste", "float"):
        settings.append(out.with_name(f"{method}.yaml"))
        RunConfig(
            method=method, epochs=EPOCHS, batch_size=50, train_images=300, model_options={"width": 8}
        ).to_yaml(settings[-1])  # fmt: skip
    return ["compare", *map(str, settings), "--jobs", "1", "--out", str(out), "--json"]


def workers(parent: int) -> list[int]:
    """The running children of a process."""
    children: set[int] = set()
    for task in Path(f"/proc/{parent}/task").iterdir():
        children |= {int(number) for number in (task / "children").read_text().split()}
    return [child for child in sorted(children) if b"compare.worker" in Path(f"/proc/{child}/cmdline").read_bytes()]


def until(happened: Callable[[], object]) -> None:
    while not happened():
        time.sleep(0.02)


def finished(run: Path) -> dict[str, int]:
    """When the files of a run were last written, those apart that a comparison adds once all runs are over."""
    added = ("deployment.json", "model.sbn")
    return {str(path): path.stat().st_mtime_ns for path in run.rglob("*.*") if path.name not in added}


@pytest.mark.timeout(900)
def test_what_is_finished_is_not_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "compared"
    ste, float_ = (out / "runs" / f"{method}-s0" for method in ("ste", "float"))

    # Killed itself, in the middle of the second run: that one ends too, and does not go on unseen.
    with subprocess.Popen(
        [sys.executable, "-m", "signbit", *options(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: (float_ / "metrics.csv").exists() or process.poll() is not None)
            (worker,) = workers(process.pid)
        finally:
            process.kill()
    until(lambda: not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text())
    assert (ste / "result.json").exists()
    assert not (float_ / "result.json").exists()
    before = finished(ste)

    # One of its runs is killed: it says so, compares the others and ends with an error.
    killed: list[int] = []

    def kill_a_worker() -> None:
        trained = (float_ / "metrics.csv").stat().st_mtime_ns
        until(lambda: (float_ / "metrics.csv").stat().st_mtime_ns != trained)
        killed.extend(workers(os.getpid()))
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill_a_worker)
    thread.start()
    code = main(options(out))
    thread.join()
    assert len(killed) == 1
    result = last_line(capsys)
    assert code == 2
    assert list(result["failed"]) == [str(float_)]
    assert "(exit code -9; " in result["failed"][str(float_)]
    assert [row["runs"] for row in result["rows"]] == [[str(ste)]]

    # Left in peace, it finishes.
    assert main(options(out)) == 0
    result = last_line(capsys)
    assert result["failed"] == {}
    assert {row["epochs"] for row in result["rows"]} == {EPOCHS}
    assert len(result["rows"]) == 2
    assert finished(ste) == before, "nothing of the finished run was touched"
    log = (out / "logs" / "ste-s0.log").read_text()
    assert log.count("epoch ") == EPOCHS
    again = (out / "logs" / "float-s0.log").read_text()
    assert again.count("epoch ") <= EPOCHS + 2, "each interruption costs the epoch under way"


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return line
