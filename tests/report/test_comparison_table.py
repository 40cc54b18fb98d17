"""Tables of a comparison hold what the records hold."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from run_folders import write_run

from signbit.cli import main
from signbit.compare import Comparison, compare, find_runs, read_record
from signbit.compare.records import InstructionCounts
from signbit.report.comparison_table import markdown, to_csv, to_json


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    for seed in range(3):
        write_run(tmp_path / f"ste-{seed}", accuracy=0.9 + 0.01 * seed, seed=seed)
        write_run(tmp_path / f"float-{seed}", accuracy=0.95, method="float", seed=seed, flips=(None, None))
    return compare(
        [read_record(run) for run in find_runs([tmp_path])],
        InstructionCounts("convnet-tiny", 32, "callgrind", {"ste": 12e9, "sfao:6": 9e9}),
    )


def test_a_time_budget_is_told_with_the_epochs_that_fitted(tmp_path: Path) -> None:
    run = write_run(tmp_path / "ste", time_budget=90, result={"epochs": 2})
    text = markdown(compare([read_record(run)]), "Digits", "signbit report runs")
    assert "Time budget of a run: 90 s" in text
    assert "mean over seeds: ste 2." in text
    assert "--time-budget 90" in text


def test_markdown(comparison: Comparison) -> None:
    text = markdown(comparison, "Digits", "signbit report runs")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [row[0].removeprefix("| ") for row in rows[2:4]] == ["float", "ste"]
    float_row, ste_row = rows[2:4]
    assert float_row[3:10] == [
        "95.00 ± 0.00", "96.00 ± 0.00", "95.00 ± 0.00", "0.400 → 0.400", "0.10", "0.08", "-",
    ]  # fmt: skip
    assert ste_row[3] == "91.00 ± 2.48"
    assert ste_row[9] == "20.00 → 5.00"
    assert (float_row[-1], ste_row[-1]) == ("- |", "1.2e+10 |")
    assert "1 of 1 pairs differ" in text
    assert text.count("signbit train ") == 6
    assert '"commit": "abc"' in text
    assert (
        "convnet-tiny, batches of 32, counted apart from the runs (callgrind); with layers frozen: sfao:6: 9e+09."
        in text
    )
    assert "Not one protocol" not in text


def test_csv_and_json_hold_the_same_figures(comparison: Comparison) -> None:
    (first, second) = csv.DictReader(io.StringIO(to_csv(comparison)))
    record = json.loads(to_json(comparison))
    assert [row["setting"] for row in record["rows"]] == [first["setting"], second["setting"]] == ["float", "ste"]
    for row, line in zip(record["rows"], (first, second), strict=True):
        assert float(line["test_accuracy"]) == row["test_accuracy"]
        assert float(line["training_bit_operations"]) == row["training_bit_operations"]
        assert len(row["runs"]) == len(row["commands"]) == 3
    assert first["sign_flip_rate_last"] == ""
    assert record["rows"][0]["training_bit_operations_of_float"] == 1


def test_a_difference_of_protocol_is_said(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", method="bop", batch_size=64)]
    text = markdown(compare([read_record(run) for run in runs]), "Unfair", "signbit report a b")
    assert "* Not one protocol: these settings differ between rows: batch_size: 128, 64" in text
    assert "nothing can be concluded" in text


def test_what_freezing_and_stopping_saved(tmp_path: Path) -> None:
    frozen = {"frozen_layers": [0.0, 1.0, 1.0]}  # of the one layer that the record knows: from the third epoch on
    run = read_record(write_run(tmp_path / "a", method="sfao", flips=(0.2, 0.1, 0.0), logged=frozen, epochs=4))
    for counts, said in (
        ({"sfao": 12e9, "sfao:1": 9e9}, "8.33 %"),
        ({"sfao": 12e9}, "not counted"),
        ({"sfao:1": 9e9}, "not counted"),
    ):
        text = markdown(compare([run], InstructionCounts("convnet-tiny", 32, "callgrind", counts)), "", "")
        assert f"sfao: instructions saved by frozen layers: {said} (the paper: 21.89 %" in text
        assert "epochs left out by stopping early: 25.00 % (the paper" in text
    assert "not counted" in markdown(compare([run]), "", "")
    short = read_record(write_run(tmp_path / "c", method="sfao", logged={"frozen_layers": [0.0, 1.0]}, time_budget=9))
    assert "stopping early: not known under a time budget (the paper" in markdown(compare([short]), "", "")
    assert "frozen layers:" not in markdown(compare([read_record(write_run(tmp_path / "b"))]), "", "")


def test_the_command_writes_what_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "runs" / "a")
    out = [tmp_path / name for name in ("t.md", "t.csv", "t.json")]
    assert (
        main(["report", str(tmp_path), "--markdown", str(out[0]), "--csv", str(out[1]), "--record", str(out[2])]) == 0
    )
    assert "90.00" in capsys.readouterr().out
    assert all(path.stat().st_size for path in out)
    assert str(tmp_path) not in out[0].read_text()
    assert main(["report", str(tmp_path / "nothing")]) == 2
    assert "neither the folder of a run" in capsys.readouterr().err
