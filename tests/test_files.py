"""Atomic writes: the old file or the new one, nothing else, whatever fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from signbit.errors import SignbitError
from signbit.files import atomic_write, write_bytes_atomically


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def write_half(path: Path) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(b"half")
        raise KeyError


def test_writes_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_bytes_atomically(tmp_path / "a.sbn", b"one")
    write_bytes_atomically(tmp_path / "a.sbn", b"two")
    assert (tmp_path / "a.sbn").read_bytes() == b"two"
    assert names(tmp_path) == ["a.sbn"]


def test_an_error_in_the_block_keeps_the_old_file(tmp_path: Path) -> None:
    write_bytes_atomically(tmp_path / "a", b"old")
    with pytest.raises(KeyError):
        write_half(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_the_target_is_untouched_until_the_block_ends(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.json") as temporary:
        temporary.write_bytes(b"new")
        assert not (tmp_path / "a.json").exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".json"
    assert (tmp_path / "a.json").read_bytes() == b"new"


def test_permissions_are_those_of_a_plain_open_and_survive_replacement(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    write_bytes_atomically(tmp_path / "a", b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "a").chmod(0o600)
    write_bytes_atomically(tmp_path / "a", b"x")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_missing_folder_and_folder_as_target(tmp_path: Path) -> None:
    with pytest.raises(SignbitError, match="No such file or directory"):
        write_bytes_atomically(tmp_path / "missing" / "a", b"")
    with pytest.raises(SignbitError, match="it is a folder"):
        write_bytes_atomically(tmp_path, b"")
    assert names(tmp_path) == []


def test_a_full_disk_is_a_clear_error_and_leaves_the_old_file(tmp_path: Path) -> None:
    write_bytes_atomically(tmp_path / "a", b"old")
    with pytest.raises(SignbitError, match="No space left on device"), atomic_write(tmp_path / "a"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_an_error_about_another_file_is_not_blamed_on_the_target(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="other"), atomic_write(tmp_path / "a"):
        (tmp_path / "other").read_bytes()
    assert names(tmp_path) == []


def test_a_folder_without_write_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(SignbitError, match="Permission denied"):
        write_bytes_atomically(tmp_path / "a", b"")
    tmp_path.chmod(0o700)
