"""Counting instructions: the tools' reports, what is refused, and a real count where a tool is at hand."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from signbit.callbacks import FlipStop
from signbit.cli import main
from signbit.errors import ConfigError, SignbitError
from signbit.metrics.flips import FlipTracker
from signbit.training import instructions_tools
from signbit.training.instructions import Workload, count_instructions, prepare
from signbit.training.instructions_child import WARM_UP, train
from signbit.training.instructions_tools import Tool, callgrind_total, find_tool, perf_total

COUNT = ("bench-train", "--count", "instructions", "--model", "convnet-tiny", "--image-size", "8", "--channels", "1")


def tiny(method: str, frozen: int = 0, **options: object) -> Workload:
    return Workload("convnet-tiny", method, (2, 1, 8, 8), 2, frozen, options)


def message_of(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert 1 <= len(err.splitlines()) <= 2, err
    return err


def test_a_dump_without_totals_is_an_error() -> None:
    assert callgrind_total("summary: 3\nfn=(1)\n0 7\n\ntotals: 1234567890123\n") == 1234567890123
    with pytest.raises(SignbitError, match="totals"):
        callgrind_total("events: Ir\nfn=(1)\n")


def test_a_counter_that_is_not_supported_is_an_error() -> None:
    with pytest.raises(SignbitError, match="<not supported>"):
        perf_total("<not supported>,,instructions:u,0,100.00,,\n")


def test_without_a_tool_one_line_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install valgrind" in message_of(capsys, *COUNT, "--out", str(tmp_path / "counts.json"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ((*COUNT, "--methods", "sfoa"), "did you mean sfao"),
        ((*COUNT, "--methods", "sfao:0"), "LAYERS >= 1; got 'sfao:0'"),
        ((*COUNT, "--methods", "sfao:2:above"), "got 'sfao:2:above'"),
        ((*COUNT, "--methods", "sfao:4"), "can freeze 3 binary layers; got 4"),
        ((*COUNT, "--methods", "ste:1"), "can freeze 0 binary layers"),
        (("bench-train", "--methods", "sfao"), "--count instructions"),
        (("bench-train", "--out", "counts.json"), "--count instructions"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, tuple) else "",
)
def test_refusals_come_before_anything_is_counted(
    argv: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("counted although the workload makes no sense")

    tool = Tool("callgrind", lambda: True, ("true",), never)  # type: ignore[arg-type]
    monkeypatch.setattr(instructions_tools, "TOOLS", (tool,))
    assert says in message_of(capsys, *argv)


@pytest.mark.parametrize("method", ["float", "bop", "sfao", "sd-bnn", "cyclebnn"])
def test_the_counted_steps_are_switched_on_and_off_once(method: str) -> None:
    switched: list[bool] = []
    said = train(tiny(method), switched.append)
    assert switched == [True, False]
    assert said["frozen_layers"] == said["frozen_parameters"] == 0
    assert WARM_UP >= 1, "the optimizer's state is allocated before counting"


@pytest.mark.parametrize(("options", "others"), [({}, 0), ({"freeze_below": True}, 7)])
def test_frozen_layers_get_no_gradient(options: dict[str, object], others: int) -> None:
    """Below two frozen layers stand, with ``freeze_below``, a first layer and three norms of two parameters each."""
    said = train(tiny("sfao", 2, **options), lambda _: None)
    assert (said["frozen_layers"], said["binary_layers"]) == (2, 3)
    assert said["frozen_parameters"] == 2 + others


def test_the_first_layers_are_the_ones_that_freeze() -> None:
    parts = prepare(tiny("sfao", 2))
    (freezing,) = (callback for callback in parts.callbacks if isinstance(callback, FlipStop))
    assert freezing.watch.frozen == set(list(FlipTracker(parts.network).sizes)[:2])
    with pytest.raises(ConfigError):
        prepare(tiny("sfao", 4))


def test_perf_counts_the_enabled_part_of_a_process(tmp_path: Path) -> None:
    """By an event that needs no hardware counter, so that it runs where ``instructions`` is hidden."""
    if shutil.which("perf") is None:
        pytest.skip("perf is not installed")
    tool = Tool(
        "perf", lambda: True, ("perf", "--version"), lambda jobs, at: instructions_tools._perf(jobs, at, "task-clock:u")
    )
    (count,) = count_instructions([tiny("ste")], tool)
    assert 0 < count.instructions < 10_000, "milliseconds of a step, not of the process"
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif("SIGNBIT_COUNT" not in os.environ, reason="ten minutes under callgrind; set SIGNBIT_COUNT=1")
@pytest.mark.timeout(1800)
def test_a_real_count(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """More work is more instructions: the binary network than its twin, a learning layer than a frozen one."""
    try:
        find_tool()
    except SignbitError as reason:
        pytest.skip(str(reason))
    out = tmp_path / "counts.json"
    assert main([*COUNT, "--methods", "sfao:2,sfao:2:below", "--out", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert record == json.loads(out.read_text())
    counts = {name: row["instructions"] for name, row in record["counts"].items()}
    assert counts["float"] < counts["ste"]
    assert counts["sfao:2:below"] < counts["sfao:2"] < counts["ste"]
