"""One short run on digits and its exported file, shared by the tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from signbit.cli import main


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "digits"
    code = main(["train", "digits/convnet-tiny-ste", "--epochs", "3", "--threads", "1", "--out", str(out)])
    assert code == 0
    return out


@pytest.fixture(scope="session")
def sbn_file(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "digits.sbn"
    assert main(["export", str(run_folder), "-o", str(path)]) == 0
    return path
