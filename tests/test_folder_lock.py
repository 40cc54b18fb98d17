"""One process at a time in a folder, whatever happens to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from signbit.cli import main
from signbit.errors import ConfigError, WriteError
from signbit.folder_lock import LOCK, folder_lock
from tests.locked_folder import held_by_another_process


def test_one_process_has_a_folder(tmp_path: Path) -> None:
    taken = pytest.raises(ConfigError, match=r"another process is training in .*; wait for it, or stop it first")
    with held_by_another_process(tmp_path), taken, folder_lock(tmp_path, "training"):
        pytest.fail("two processes in one folder")


def test_a_killed_process_leaves_it_free_though_its_children_live(tmp_path: Path) -> None:
    with held_by_another_process(tmp_path) as process:
        process.kill()
        process.wait()
        with folder_lock(tmp_path, "training"):
            pass


def test_the_end_of_the_block_leaves_it_free_and_empty(tmp_path: Path) -> None:
    with folder_lock(tmp_path, "working"):
        pass
    assert not list(tmp_path.iterdir())
    with held_by_another_process(tmp_path):
        pass


def test_a_lock_that_its_holder_deletes_just_then_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def deleted(path: Path, *rest: int) -> int:
        descriptor = real(path, *rest)
        monkeypatch.setattr(os, "open", real)
        path.unlink()
        return descriptor

    monkeypatch.setattr(os, "open", deleted)
    with folder_lock(tmp_path, "working"):
        assert (tmp_path / LOCK).is_file()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"cannot write .*absent"), folder_lock(tmp_path / "absent", "working"):
        pass


def test_one_comparison_in_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with held_by_another_process(tmp_path):
        assert main(["compare", "--methods", "ste", "--data", "digits", "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "another process is comparing in" in error
    assert len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]
