"""The README is run: its Python block as it stands, its shell block on digits and with fewer epochs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from signbit.cli import main
from signbit.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_python_block_runs(tmp_path: Path) -> None:
    (code,) = blocks("python")
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "model.sbn").is_file()


@pytest.mark.slow
def test_shell_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-10 cannot be assumed: the same commands with the small model on digits."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.full((8, 8), 200, dtype=np.uint8)).save(tmp_path / "photos" / "one.png")
    lines = [line.partition("#")[0] for block in blocks("") for line in block.splitlines()]
    # Counting instructions takes a tool and minutes; it has tests of its own.
    commands = [line for line in lines if line.startswith("signbit") and "--count" not in line]
    assert len(commands) == 8
    for command in commands:
        text = command.replace("resnet20", "convnet-tiny").replace("--data cifar10 --data-dir DIR", "--data digits")
        text = text.replace("--epochs 10", "--epochs 1" + " --threads 1" * ("train" in text))
        assert main(shlex.split(text)[1:]) == 0, command


def test_every_command_that_is_mentioned_exists() -> None:
    mentioned = set(re.findall(r"signbit ([a-z][a-z-]+)", README))
    assert mentioned <= set(COMMANDS)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"make ([a-z]+)", README)) <= targets
