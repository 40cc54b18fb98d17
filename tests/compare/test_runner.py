"""Processes: as many at a time as allowed, failures told, none left behind; and the real worker."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from run_folders import write_run

from signbit.cli import main
from signbit.compare import runner
from signbit.compare.display import Display
from signbit.compare.plan import folder_of, method_settings, plan
from signbit.compare.runner import run_all
from signbit.training import RunConfig

PRELUDE = """
import json, pathlib, sys, time
config = json.loads(sys.stdin.readline())
folder = pathlib.Path(config["out"])
folder.mkdir(parents=True)
(folder / "began").write_text(str(time.time()))
"""
SLEEP = PRELUDE + "time.sleep(0.2); (folder / 'ended').write_text(str(time.time()))"
FAIL = (
    PRELUDE
    + "print('epoch 1'); sys.exit(0 if config['method'] == 'ste' else print('signbit: no data', flush=True) or 2)"
)
WAIT = (
    PRELUDE
    + """
try:
    time.sleep(60)
except KeyboardInterrupt:
    (folder / "interrupted").touch()
"""
)


class Silent:
    """A watcher that only counts what is under way."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.failures: list[str] = []

    def started(self, config: RunConfig) -> None:  # noqa: ARG002
        self.now += 1
        self.most = max(self.most, self.now)

    def tick(self) -> None:
        pass

    def ended(self, config: RunConfig, failure: str) -> None:  # noqa: ARG002
        self.now -= 1
        self.failures.append(failure)


def planned(out: Path, *methods: str) -> list[RunConfig]:
    return plan(method_settings(methods, ["convnet-tiny"]), {"epochs": 2}, 1, 1, out)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.02)
    return lambda code: monkeypatch.setattr(runner, "WORKER", (sys.executable, "-c", code))


def test_as_many_at_a_time_as_allowed(tmp_path: Path, worker: Callable[[str], None]) -> None:
    worker(SLEEP)
    watcher, configs = Silent(), planned(tmp_path, "ste", "bop", "float", "sfao")
    assert run_all(configs, 2, watcher) == {}
    assert watcher.most == 2
    spans = [tuple(float((folder_of(c) / name).read_text()) for name in ("began", "ended")) for c in configs]
    assert max(sum(a <= moment < b for a, b in spans) for moment, _ in spans) <= 2


def test_a_failure_is_told_and_does_not_stop_the_others(tmp_path: Path, worker: Callable[[str], None]) -> None:
    worker(FAIL)
    watcher, configs = Silent(), planned(tmp_path, "bop", "ste")
    failures = run_all(configs, 1, watcher)
    assert list(failures) == [folder_of(configs[0])]
    assert failures[folder_of(configs[0])].startswith("no data (exit code 2; ")
    assert watcher.failures[1] == ""
    assert (tmp_path / "logs" / "convnet-tiny-bop-s0.log").read_text() == "epoch 1\nsignbit: no data\n"


def test_a_run_that_is_killed_says_by_whom_and_not_what_went_well(
    tmp_path: Path, worker: Callable[[str], None]
) -> None:
    worker(PRELUDE + "import os; print('epoch 1', flush=True); os.kill(os.getpid(), 9)")
    (config,) = planned(tmp_path, "ste")
    (failure,) = run_all([config], 1, Silent()).values()
    assert failure.startswith("ended by SIGKILL, as happens where memory runs out (fewer --jobs take less); the same ")
    assert failure.endswith(f" (exit code -9; {tmp_path}/logs/convnet-tiny-ste-s0.log)")


def test_last_words_are_those_of_this_process(tmp_path: Path, worker: Callable[[str], None]) -> None:
    (config,) = planned(tmp_path, "bop")
    worker(FAIL)
    run_all([config], 1, Silent())
    worker("raise SystemExit(3)")
    (failure,) = run_all([config], 1, Silent()).values()
    assert failure.startswith("it said nothing (exit code 3; ")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--methods", "ste,bop", "--batch-size", "5000"], "batch_size must be 1 .. 1293"),
        (["--methods", "ste", "--model", "convnet-tiny,binarynet"], "images are at least 10 x 10; got 8 x 8"),
        (["--methods", "ste", "--data", "mnist", "--data-dir", "absent"], "absent"),
        (["digits/convnet-tiny-ste", "--methods", "bop,ste"], "convnet-tiny-ste is a recipe, and what --methods makes"),
    ],
)
def test_what_would_fail_is_found_before_any_run_starts(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *options, "--seeds", "3", "--out", str(tmp_path / "out")]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_interruption_reaches_every_run(tmp_path: Path, worker: Callable[[str], None]) -> None:
    worker(WAIT)
    configs = planned(tmp_path, "ste", "bop", "float")

    class Impatient(Silent):
        def tick(self) -> None:
            if all((folder_of(config) / "began").exists() for config in configs[:2]):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(configs, 2, Impatient())
    assert [(folder_of(config) / "interrupted").exists() for config in configs] == [True, True, False]


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run_all", interrupted)
    assert main(["compare", "--methods", "ste", "--out", str(tmp_path / "out")]) == 130
    assert f"the same command continues the comparison in {tmp_path / 'out'}" in capsys.readouterr().out


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (config,) = planned(tmp_path, "ste")
    folder = folder_of(config)
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("years of work")
    with subprocess.Popen(runner.WORKER, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(config.to_dict()) + "\n")
        process.stdin.flush()
        assert process.wait(100) == 2
        assert "must be new or empty" in process.stderr.read()
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_lines_for_those_who_have_no_terminal(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "convnet-tiny-ste-s0", accuracy=0.75, method="ste")
    configs, stream = planned(tmp_path, "ste", "bop", "float"), io.StringIO()
    with Display(configs, stream) as display:
        for config in configs[1:]:
            display.started(config)
            display.tick()
        write_run(tmp_path / "runs" / "convnet-tiny-bop-s0", accuracy=0.5, method="bop")
        display.ended(configs[1], "")
        display.ended(configs[2], "no data")
    assert stream.getvalue().splitlines() == [
        "1 of 3 runs are finished already",
        "2/3  convnet-tiny-bop-s0  val 50.00% after 2 epochs",
        "2/3  convnet-tiny-float-s0  failed: no data",
    ]


@pytest.mark.slow
def test_a_run_ends_with_the_process_that_started_it_and_goes_on_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real worker, orphaned; then the real command, which finishes its run and repeats no finished one."""
    options = ["--methods", "ste", "--data", "digits", "--epochs", "12", "--train-images", "600"]
    (config,) = plan(
        method_settings(["ste"], ["convnet-tiny"]),
        {"data": "digits", "epochs": 12, "train_images": 600}, 1, runner.cores(), tmp_path,
    )  # fmt: skip
    metrics = folder_of(config) / "metrics.csv"
    with subprocess.Popen(
        [sys.executable, "-m", "signbit.compare.worker"],
        stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(json.dumps(config.to_dict()) + "\n")
        process.stdin.flush()
        while not metrics.exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.stdin.close()
        assert process.wait(60) == 130
    trained = len(metrics.read_text().splitlines()) - 1
    assert not (folder_of(config) / "result.json").exists()

    assert main(["compare", *options, "--out", str(tmp_path), "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    (row,) = first["rows"]
    assert (row["epochs"], row["seeds"], first["failed"]) == (12, [0], {})
    log = (tmp_path / "logs" / f"{folder_of(config).name}.log").read_text()
    assert log.count("epoch ") <= 12 - trained + 1, "epochs that were trained are not trained again"
    assert json.loads((folder_of(config) / "deployment.json").read_text())["native_ms"] > 0
    assert {"report.html", "table.md", "table.csv", "table.json"} <= {path.name for path in tmp_path.iterdir()}

    before = (folder_of(config) / "result.json").stat().st_mtime_ns
    assert main(["compare", *options, "--out", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == first
    assert (folder_of(config) / "result.json").stat().st_mtime_ns == before
