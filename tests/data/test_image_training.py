"""Runs on folders of pictures, from training to the deployed file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from signbit.cli.main import main
from signbit.data import load
from signbit.training import RunConfig, evaluate, fit, load_run, resume
from tests.data.picture_folders import write_dataset


def config(folder: Path, out: Path, **options: object) -> RunConfig:
    return RunConfig(
        model_options={"width": 8}, data="image-folder", data_dir=str(folder),
        data_options={"size": 8, "workers": 0, **options}, epochs=1, batch_size=8, tensorboard=False, threads=1,
        out=str(out),
    )  # fmt: skip


@pytest.fixture
def spoiled(tmp_path: Path) -> Path:
    """Three times four test pictures, one of them damaged."""
    folder = write_dataset(tmp_path / "pictures")
    (folder / "val" / "bee" / "002.png").write_bytes(b"damaged")
    return folder


def test_from_pictures_to_a_file_that_runs(spoiled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    result = fit(config(spoiled, run, on_bad_image="skip"))
    assert "skipped: cannot read" in capsys.readouterr().err
    model, recorded = load_run(run)
    assert recorded.data_options == {"size": 8, "workers": 0, "on_bad_image": "skip"}
    data = load("image-folder", spoiled, **recorded.data_options)
    assert evaluate(model, data, data.test) == result.test_accuracy
    assert resume(run) == result

    def told(*words: object) -> dict[str, object]:
        assert main([*map(str, words), "--json"]) == 0
        answer: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return answer

    # A run brings its own options; a file is told.
    from_run = told("eval", run, "--data", "image-folder", "--data-dir", spoiled)
    file = tmp_path / "model.sbn"
    told("export", run, "-o", file)
    options = ("--data-option", "size=8", "--data-option", "on_bad_image=skip", "--batch-size", 5)
    from_file = told("eval", file, "--data", "image-folder", "--data-dir", spoiled, *options)
    for answer in (from_run, from_file):
        assert (answer["images"], answer["accuracy"]) == (11, result.test_accuracy)
    assert main(["eval", str(file), "--data", "image-folder", "--data-dir", str(spoiled)]) == 2
    assert "--data-option size=8" in capsys.readouterr().err


def test_a_damaged_picture_stops_the_command_by_name(
    spoiled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "train", "--data", "image-folder", "--data-dir", str(spoiled), "--data-option", "size=8", "--workers", "0",
        "--epochs", "1", "--batch-size", "8", "--threads", "1", "--model-option", "width=8",
    ]  # fmt: skip
    assert main([*command, "--out", str(tmp_path / "stopped")]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "bee/002.png" in line]
    assert "--on-bad-image skip" in line
    assert main([*command, "--out", str(tmp_path / "passed"), "--on-bad-image", "skip"]) == 0
    assert main(["train", "--on-bad-image", "skip"]) == 2
    assert "data set 'digits' has no setting 'on_bad_image'" in capsys.readouterr().err
