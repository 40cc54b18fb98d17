"""Bad input: one clear message of one or two lines, exit code 2, nothing half-written, no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from signbit.cli import main
from signbit.errors import UnknownNameError


def message_of(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    capsys.readouterr()
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert 1 <= len(err.splitlines()) <= 2, err
    return err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["trian"], "did you mean train"),
        (["train", "--method", "bop2dn"], "did you mean bop2nd"),
        (["train", "--model", "resnet-20"], "did you mean resnet20"),
        (["train", "--data", "cifar-10"], "did you mean cifar10"),
        (["train", "digits/convnet-tiny-sts"], "did you mean digits/convnet-tiny-ste"),
        (["train", "absent.yaml"], "absent.yaml"),
        (["train", "--epochs", "0"], "at least 1"),
        (["train", "--epochs", "three"], "'three'"),
        (
            ["train", "--epoks", "3"],
            "unknown option '--epoks'; did you mean --epochs or --workers or --help? see: signbit train --help",
        ),
        (["train", "--modle", "resnet20"], "unknown option '--modle'; did you mean --model"),
        (["train", "--modle=resnet20"], "'--modle'; did you mean --model"),
        (["train", "--epochs"], "expected one argument; see: signbit train --help"),
        (["export", "absent", "--ouput", "model.sbn"], "did you mean --output"),
        (["train", "--set", "tau"], "--set takes KEY=VALUE"),
        (["train", "--model-option", "=3"], "--model-option takes KEY=VALUE"),
        (["train", "--method-option", "strength={"], "--method-option takes KEY=VALUE"),
        (["train", "--method", "bop", "--set", "tau=x"], "tau is a number, 1e-08 by default; got 'x'"),
        (["train", "--set", "betas=3"], "betas is a list of 2 numbers, (0.9, 0.999) by default; got 3"),
        (["train", "--set", "weight_decay=-1"], "Invalid weight_decay value: -1"),
        (["train", "--seed", "4294967296"], "at most 4294967295"),
        (["train", "nosuch"], "see: signbit list recipes"),
        (["train", "--method", "bop", "--set", "taw=1"], "'taw'; did you mean tau"),
        (["train", "--method", "sd-bnn", "--method-option", "strenght=1"], "'strenght'; did you mean strength? it has"),
        (["train", "--method", "sd-bnn", "--method-option", "variant=cifra"], "did you mean cifar"),
        (["train", "--model-option", "widht=8"], "'widht'; did you mean width? it has: width"),
        (["train", "--resume", "absent", "--model-option", "width=8"], "--resume"),
        (["train", "--model-option", "width=wide"], "model 'convnet-tiny': width is an integer; got 'wide'"),
        (["train", "--method", "sd-bnn", "--method-option", "reduction=0.5"], "an integer or nothing; got 0.5"),
        (["train", "--method", "sfao", "--method-option", "kappa=[1]"], "kappa is a number; got [1]"),
        (["train", "--model", "resnet20", "--model-option", "pre_norm=maybe"], "true or false; got 'maybe'"),
        (["train", "--resume", "absent"], "absent"),
        (["train", "--resume", "absent", "--epochs", "3"], "--resume"),
        (["train", "--data", "cifar10", "--data-dir", "absent"], "absent"),
        (["eval", "absent.sbn", "--data", "digits"], "absent.sbn"),
        (["eval", "absent.sbn"], "absent.sbn is neither the folder of a run nor a file"),
        (["export", "absent", "-o", "model.sbn"], "absent"),
        (["inspect", "absent.sbn"], "absent.sbn"),
        (["bench-train", "--modes", "eager fp23"], "did you mean eager fp32"),
        (["list", "recipe"], "did you mean recipes"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in message_of(capsys, *argv)
    assert list(tmp_path.iterdir()) == [], "nothing is written before everything is checked"


def test_truncated_and_flipped_files(sbn_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = sbn_file.read_bytes()
    bad = tmp_path / "bad.sbn"
    for content in (
        b"",
        data[:40],
        data[: len(data) // 2],
        data[:-1],
        data[:200] + bytes([data[200] ^ 4]) + data[201:],
    ):
        bad.write_bytes(content)
        for command in (["inspect", str(bad)], ["eval", str(bad), "--data", "digits"], ["bench", str(bad)]):
            assert "offset" in message_of(capsys, *command)


def test_image_of_another_size(sbn_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "large.png"
    Image.fromarray(np.zeros((9, 8), dtype=np.uint8)).save(image)
    text = message_of(capsys, "run", str(sbn_file), str(image))
    assert "8" in text
    assert "9" in text
    assert "--resize" in text
    assert main(["run", str(sbn_file), str(image), "--resize"]) == 0


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n broken"])
def test_not_an_image(content: bytes, sbn_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(content)
    assert "image.png" in message_of(capsys, "run", str(sbn_file), str(path))


def test_data_of_another_shape(sbn_file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = message_of(capsys, "eval", str(sbn_file), "--data", "mnist", "--data-dir", str(tmp_path))
    assert "mnist" in text.lower()


def test_a_run_knows_its_data_and_a_file_does_not(
    run_folder: Path, sbn_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "name one with --data" in message_of(capsys, "eval", str(sbn_file))
    assert main(["eval", str(run_folder)]) == 0
    assert "test images of digits (torch)" in capsys.readouterr().out


def test_an_unusable_tier_lists_the_usable_ones(sbn_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "portable" in message_of(capsys, "bench", str(sbn_file), "--isa", "avx3")


def test_a_run_folder_in_use_is_left_alone(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run_folder / "result.json").read_bytes()
    assert "new or empty" in message_of(capsys, "train", "--out", str(run_folder))
    assert (run_folder / "result.json").read_bytes() == before


def test_a_loss_that_is_not_finite_names_the_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "run"), "--threads", "1"]
    capsys.readouterr()
    assert main(["train", "--method", "float", "--epochs", "3", "--learning-rate", "1e38", *out]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "NaN or infinite" in last
    assert "step" in last


def test_debug_shows_the_traceback() -> None:
    with pytest.raises(UnknownNameError):
        main(["train", "--method", "stee", "--debug"])


def test_exit_code_of_the_installed_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "signbit", "inspect", "absent.sbn"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("signbit: ")
