"""Every command on real input: what it prints for people, the JSON keys that programs rely on."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from signbit.cli import main
from signbit.cli.main import COMMANDS
from signbit.data import load
from signbit.methods import PAIRINGS
from signbit.training import load_run
from signbit.training.folder import read_config


def result_of(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> dict[str, Any]:
    """Run with ``--json`` and parse the last line of standard output."""
    capsys.readouterr()
    assert main([*argv, "--json"]) == code
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1, "with --json standard output holds the result alone"
    parsed: dict[str, Any] = json.loads(lines[-1])
    return parsed


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"signbit {command}" in capsys.readouterr().out.split("examples:")[1]


def test_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {command} " in text for command in COMMANDS)


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(capsys, "info")
    assert {"version", "isa_tiers", "threads"} <= result.keys()
    assert "portable" in result["isa_tiers"]


@pytest.mark.parametrize(
    ("kind", "some"),
    [
        ("methods", {"float", "ste", "bop", "bop2nd"}),
        ("models", {"resnet20", "binarynet", "convnet-tiny"}),
        ("datasets", {"digits", "cifar10", "mnist", "fashion-mnist"}),
        ("recipes", {"digits/convnet-tiny-ste"}),
    ],
)
def test_list(kind: str, some: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert some <= {entry["name"] for entry in result_of(capsys, "list", kind)[kind]}


def test_list_of_pairings_is_the_table_that_decides(capsys: pytest.CaptureFixture[str]) -> None:
    listed = result_of(capsys, "list", "pairings")["pairings"]
    assert [(tuple(row["methods"]), row["works"], row["note"]) for row in listed] == [
        (entry.methods, entry.works, entry.note) for entry in PAIRINGS
    ]
    assert main(["list", "pairings"]) == 0
    text = capsys.readouterr().out
    assert all("+".join(entry.methods) in text and entry.note in text for entry in PAIRINGS)


def test_the_page_of_methods_is_what_its_first_line_makes(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
    command = re.match(r"<!-- signbit (.*) -->\n", page)
    assert command
    assert main(command[1].split()) == 0
    assert capsys.readouterr().out == page, "after a change: signbit list methods pairings --markdown > docs/methods.md"


def test_options_of_method_and_network_reach_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--set", "weight_decay=1e-3", "--set", "betas=[0.5, 0.9]", "--method-option", "rho=0.2",
        "--model-option", "width=8",
    ]  # fmt: skip
    few = ["--method", "si-bnn", "--train-images", "300", "--epochs", "1", "--threads", "1"]
    result_of(capsys, "train", *few, *options, "--out", str(tmp_path / "run"))
    config = read_config(tmp_path / "run")
    assert config.optimizer == {"weight_decay": 1e-3, "betas": [0.5, 0.9]}
    assert (config.method_options, config.model_options) == ({"rho": 0.2}, {"width": 8})
    assert load_run(tmp_path / "run")[0].head.in_features == 16


def test_demo_goes_the_whole_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(capsys, "demo", "--out", str(tmp_path / "demo"))
    assert result["test_accuracy"] >= 0.96
    assert result["argmax_agreement"] == 1.0
    assert result["sbn_bytes"] == Path(result["file"]).stat().st_size < result["float_bytes"] / 10
    assert min(result["native_ms"], result["torch_ms"], result["seconds"]) > 0
    page = Path(result["report"]).read_text()
    assert page.count("<svg") == 3
    assert not re.search(r"(src|href)=.https?:|url\(http|@import", page), "the page loads nothing from the network"


def test_part_of_the_training_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--train-images", "300", "--epochs", "1", "--threads", "1"]
    assert result_of(capsys, "train", *few, "--out", str(tmp_path / "few"))["epochs"] == 1
    assert main(["train", "--train-images", "5000", "--out", str(tmp_path / "many")]) == 2
    assert "5000" in capsys.readouterr().err
    assert not (tmp_path / "many").exists()


def test_train_records_what_it_says(run_folder: Path) -> None:
    claim = json.loads((run_folder / "result.json").read_text())
    assert {"run", "test_accuracy", "val_accuracy", "epochs", "seconds"} <= claim.keys()
    assert claim["epochs"] == 3
    assert claim["test_accuracy"] > 0.5


def test_resume_of_a_finished_run_repeats_its_result(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim = json.loads((run_folder / "result.json").read_text())
    assert result_of(capsys, "train", "--resume", str(run_folder)) == claim


def test_eval_of_run_and_file_agree(run_folder: Path, sbn_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim = json.loads((run_folder / "result.json").read_text())
    from_run = result_of(capsys, "eval", str(run_folder), "--data", "digits")
    from_file = result_of(capsys, "eval", str(sbn_file), "--data", "digits")
    assert from_run["accuracy"] == claim["test_accuracy"]
    assert from_file["images"] == from_run["images"] == 360
    assert abs(from_file["correct"] - from_run["correct"]) <= 1


def test_export_result(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(capsys, "export", str(run_folder), "-o", str(tmp_path / "a.sbn"))
    assert {"file", "bytes", "packed_layers", "float_layers", "max_abs_diff", "argmax_agreement"} <= result.keys()
    assert result["bytes"] == (tmp_path / "a.sbn").stat().st_size
    assert result["packed_layers"] == 3
    assert result["verification"]["images"] > 100
    assert {"one_bit_macs", "time_share"} <= result["layers"][0].keys()


def test_export_explains_itself(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target, passes = tmp_path / "a.sbn", tmp_path / "new" / "passes"
    arguments = ("export", str(run_folder), "-o", str(target), "--data", "digits", "--images", "5")
    assert main([*arguments, "--explain"]) == 0
    printed = capsys.readouterr().out
    assert all(f"after {name}:\n" in printed for name in ("trace", "fold", "lower", "plan", "verify"))
    assert "verified on 5 image(s)" in printed
    result_of(capsys, *arguments, "--explain", str(passes))
    files = sorted(path.name for path in passes.iterdir())
    assert files == ["1-trace.txt", "2-fold.txt", "3-lower.txt", "4-plan.txt", "5-verify.txt"]
    assert (passes / "3-lower.txt").read_text().rstrip() in printed
    assert main(["export", str(target), "-o", str(tmp_path / "b.onnx"), "--to", "onnx", "--explain"]) == 2
    assert "is exported already" in capsys.readouterr().err


def test_inspect_counts_the_binary_weights(sbn_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(capsys, "inspect", str(sbn_file), "--thresholds")
    assert result["bytes"] == sbn_file.stat().st_size
    assert result["binary_weights"] == 92_160


def test_bench_against_torch(sbn_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "trace.json"
    options = ("--against", "torch", "--repeats", "5", "--profile", "--trace", str(trace))
    result = result_of(capsys, "bench", str(sbn_file), *options)
    assert result["native_ms"] > 0
    assert result["against"]["torch"] > 0
    ratio = result["ratios"]["torch"]
    assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]
    assert min(result["import_ms"], result["open_ms"]) > 0
    events = json.loads(trace.read_text())["traceEvents"]
    assert {event["ph"] for event in events} == {"X"}
    for before, after in itertools.pairwise(events):
        assert after["ts"] == pytest.approx(before["ts"] + before["dur"])
    assert sum(event["args"]["macs"] for event in events) > 92_160  # every binary weight is used more than once


def test_bench_train(capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--model", "convnet-tiny", "--image-size", "8", "--channels", "1", "--batch-size", "4"]
    result = result_of(capsys, "bench-train", *size, "--repeats", "2", "--threads", "1", "--modes", "eager fp32")
    assert result["modes"]["eager fp32"]["ratio"] > 0


@pytest.fixture
def digit_images(tmp_path: Path) -> Path:
    """Five digits of the test split as PNG files."""
    folder = tmp_path / "images"
    folder.mkdir()
    test = load("digits").test
    for index in range(5):
        Image.fromarray(test.images[index, 0]).save(folder / f"{index}.png")
    return folder


def test_run_classifies_a_folder(sbn_file: Path, digit_images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = digit_images.parent / "out.csv"
    result = result_of(capsys, "run", str(sbn_file), str(digit_images), "--top", "3", "--csv", str(table))
    labels = load("digits").test.labels[:5]
    best = [int(row["top"][0]["label"]) for row in result["images"]]
    assert np.count_nonzero(best == labels) >= 3
    assert len(table.read_text().splitlines()) == 1 + 5 * 3


def test_run_names_and_skips_what_is_no_image(
    sbn_file: Path, digit_images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (digit_images / "broken.png").write_bytes(b"not an image")
    assert main(["run", str(sbn_file), str(digit_images)]) == 2
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 5
    assert "broken.png" in err
    assert main(["run", str(sbn_file), str(digit_images), "--strict"]) == 2
