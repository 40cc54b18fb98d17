"""Records, their grouping into rows, and the commands that repeat them."""

from __future__ import annotations

import json
import shlex
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest
from run_folders import STEPS, write_run

from signbit.cli import train
from signbit.compare import compare, find_runs, read_record
from signbit.compare.accounting import training_cost
from signbit.compare.records import read_instructions
from signbit.compare.reproduce import command_of
from signbit.errors import ConfigError, DataError
from signbit.metrics import published_cost
from signbit.recipes import find, names
from signbit.schedules import CyclicBits
from signbit.training import RunConfig


def test_runs_are_grouped_by_everything_but_the_seed(tmp_path: Path) -> None:
    for seed in (1, 0):
        for method in ("ste", "bop"):
            write_run(tmp_path / f"{method}-{seed}", accuracy=0.8 + 0.1 * seed, method=method, seed=seed)
    comparison = compare([read_record(run) for run in find_runs([tmp_path])])
    assert [(s.name, s.seeds) for s in comparison.settings] == [("bop", (0, 1)), ("ste", (0, 1))]
    figure = comparison.settings[0].figure("test_accuracy")
    assert figure is not None
    assert figure.mean == pytest.approx(0.85)
    assert comparison.settings[0].flips(-1) == 0.05
    assert comparison.protocol_breaks() == {}


def test_names_tell_settings_apart(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "a", method="ste"),
        write_run(tmp_path / "b", method="ste", learning_rate=0.5),
        write_run(tmp_path / "c", method="ste", batch_size=64),
    ]
    comparison = compare([read_record(run) for run in runs])
    default = comparison.settings[0].runs[0].config
    assert [s.name for s in comparison.settings][1:] == [
        "ste batch_size=128 learning_rate=0.5",
        f"ste batch_size=64 learning_rate={default.learning_rate}",
    ]
    assert comparison.protocol_breaks() == {"batch_size": [128, 64]}
    optimizers: list[dict[str, float]] = [{}, {"tau": 1e-6}, {"tau": 1e-6, "gamma": 0.1}]
    runs = [write_run(tmp_path / str(i), method="bop2nd", optimizer=given) for i, given in enumerate(optimizers)]
    runs.append(write_run(tmp_path / "mlp", method="bop2nd", model="mlp"))
    assert [s.name for s in compare([read_record(run) for run in runs]).settings] == [
        "bop2nd convnet-tiny gamma=default tau=default", "bop2nd convnet-tiny gamma=default tau=1e-06",
        "bop2nd convnet-tiny gamma=0.1 tau=1e-06", "bop2nd mlp",
    ]  # fmt: skip


def test_accuracies_on_different_images_are_no_pair(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / f"{data}-{method}-{seed}", data=data, method=method, seed=seed)
        for data in ("digits", "mnist") for method in ("ste", "bop") for seed in range(3)
    ]  # fmt: skip
    pairs = compare([read_record(run) for run in runs]).pairs
    assert [(pair.first, pair.second) for pair in pairs] == [
        ("ste data=digits", "bop data=digits"),
        ("ste data=mnist", "bop data=mnist"),
    ]


def test_one_run_given_twice_is_one_run_and_a_copy_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a")
    assert find_runs([run, tmp_path]) == [run]
    with pytest.raises(DataError, match="are the same run, seed 0"):
        compare([read_record(run), read_record(write_run(tmp_path / "b"))])
    with pytest.raises(DataError, match="at least one finished run"):
        compare([])


def test_only_finished_whole_runs_are_read(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a")
    (run / "metrics.csv").unlink()
    with pytest.raises(DataError, match=r"metrics\.csv is missing or empty"):
        read_record(run)
    (run / "result.json").unlink()
    with pytest.raises(DataError, match="is not finished"):
        read_record(run)
    with pytest.raises(ConfigError, match="not the folder of a run"):
        read_record(tmp_path)
    with pytest.raises(DataError, match="neither the folder of a run nor"):
        find_runs([tmp_path / "nowhere"])


def test_what_an_old_record_lacks_is_missing_not_zero(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", method="float", flips=(None, None))
    claim = json.loads((run / "result.json").read_text())
    del claim["cpu_seconds"]
    (run / "result.json").write_text(json.dumps(claim))
    (setting,) = compare([read_record(run)]).settings
    assert (setting.figure("cpu_seconds"), setting.flips(0)) == (None, None)


def test_training_cost_counts_by_the_bits_of_the_operands(tmp_path: Path) -> None:
    cost = {m: training_cost(read_record(write_run(tmp_path / m, method=m))) for m in ("float", "ste", "cyclebnn")}
    assert cost["float"].of_float == 1
    assert cost["cyclebnn"].bit_operations < cost["ste"].bit_operations < cost["float"].bit_operations / 10
    assert cost["ste"].published is None
    bits = [CyclicBits(2, 6, 8, 2 * STEPS)(step) for step in range(2 * STEPS)]
    assert cost["cyclebnn"].published == pytest.approx(sum(published_cost(b, 8) for b in bits) / len(bits))


CASES: list[tuple[dict[str, Any], str]] = [
    (
        {"method": "bop", "seed": 2, "threads": 1},
        "signbit train --method bop --model convnet-tiny --data digits --epochs 2 --augment none --seed 2 --threads 1",
    ),
    (
        {"method": "bop2nd", "optimizer": {"tau": 1e-6}, "threads": 2, "data_dir": "/somewhere", "learning_rate": 0.1},
        "signbit train --method bop2nd --model convnet-tiny --data digits --epochs 2 --learning-rate 0.1 "
        "--set tau=1e-06 --augment none --threads 2 --data-dir DIR",
    ),
    (
        {"method": "sfao", "method_options": {"freeze_rate": 0.1}, "model_options": {"width": 8}, "threads": 1},
        "signbit train --method sfao --model convnet-tiny --data digits --epochs 2 --method-option freeze_rate=0.1 "
        "--model-option width=8 --augment none --threads 1",
    ),
    (
        {"method": "bop2nd", "optimizer": {"tau": {"linear": {"start": 1e-5, "stop": 0.5}}}, "threads": 1},
        "signbit train --method bop2nd --model convnet-tiny --data digits --epochs 2 "
        "--set 'tau={linear: {start: 1.0e-05, stop: 0.5}}' --augment none --threads 1",
    ),
]


@pytest.mark.parametrize(("settings", "command"), CASES)
def test_the_command_holds_the_settings(tmp_path: Path, settings: dict[str, Any], command: str) -> None:
    assert command_of(read_record(write_run(tmp_path / "a", **settings))) == command


@pytest.mark.parametrize("recipe", names())
def test_the_command_of_a_recipe_names_it_and_leads_back(tmp_path: Path, recipe: str) -> None:
    settings = {**RunConfig.from_yaml(find(recipe)).to_dict(), "seed": 3, "threads": 1}
    del settings["out"]
    settings["augment"] = settings["augment"] or "none"
    record = read_record(write_run(tmp_path / "a", **settings))
    words = shlex.split(command_of(record))
    assert words[2] == recipe
    parser = ArgumentParser()
    train.configure(parser)
    given = vars(parser.parse_args(words[2:]))
    again = {
        **RunConfig.from_yaml(find(recipe)).to_dict(),
        **{k: v for k, v in given.items() if k in settings and v not in (None, [])},
    }
    for name, value in record.config.to_dict().items():
        if name not in {"out", "learning_rate", "schedule"}:
            assert again[name] == value, name


def test_settings_without_an_option_come_from_the_runs_own_file(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", model_options={"widths": [8, 16]})
    assert command_of(read_record(run)) == f"signbit train {run}/config.yaml"


def test_instruction_counts(tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    content = {"model": "resnet20", "batch_size": 32, "tool": "callgrind", "counts": {"ste": {"instructions": 5}}}
    path.write_text(json.dumps(content))
    counted = read_instructions([path])
    assert counted.counts == {"ste": 5.0}
    record = read_record(write_run(tmp_path / "a"))
    assert compare([record], counted).instructions(compare([record]).settings[0]) is None, "another network"
    path.write_text(json.dumps({**content, "counts": {"ste": {}}}))
    with pytest.raises(DataError, match="holds no instruction counts"):
        read_instructions([path])


def test_instruction_counts_of_two_files(tmp_path: Path) -> None:
    def counts(name: str, tool: str = "callgrind", **counts: float) -> Path:
        path = tmp_path / f"{name}.json"
        rows = {method: {"instructions": count} for method, count in counts.items()}
        path.write_text(json.dumps({"model": "resnet20", "batch_size": 32, "tool": tool, "counts": rows}))
        return path

    first = counts("first", ste=1000, sfao=1001)
    counted = read_instructions([first, counts("second", ste=1002, bop=900)])
    assert counted.counts == {"ste": 1000.0, "sfao": 1001.0, "bop": 900.0}
    with pytest.raises(DataError, match=r"other\.json and .*first\.json count different steps \(tool\)"):
        read_instructions([first, counts("other", tool="perf", bop=900)])
    with pytest.raises(DataError, match=r"count different steps \(ste\)"):
        read_instructions([first, counts("other", ste=1020, bop=900)])
