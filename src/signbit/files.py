"""Writing files so that a reader sees the old content or the new, never a half: nothing is left after a failure."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from signbit.errors import WriteError

TEMPORARY = re.compile(r"\..*\.[0-9a-f]{16}(\.[^.]*)?")
"""Names of the files that are being written."""


def write_failure(path: str | os.PathLike[str], error: OSError) -> WriteError:
    """The error of ours for an operating system's: what could not be written, why, and what to do."""
    reason = error.strerror or str(error)
    return WriteError(f"cannot write {path}: {reason}; choose a folder that exists, is writable and has room")


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; it becomes ``path`` when the block ends without an error.

    The temporary file exists (empty) when the block starts, ends in the suffix of ``path``, is flushed to the disk and
    renamed at the end, and is deleted if the block raises.

    Parameters
    ----------
    path : the file to create or replace; its folder must exist.

    Errors
    ------
    WriteError : the folder is missing or not writable, ``path`` is a folder, or the disk is full.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    target = Path(path)
    if target.is_dir():
        raise WriteError(f"cannot write {target}: it is a folder; give the name of a file")
    temporary = target.with_name(f".{target.stem[:100]}.{secrets.token_hex(8)}{target.suffix}")
    try:
        # 0666 less the umask, as a plain open() would make it; mkstemp would leave a file that only its owner can read.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o777)
    except OSError as error:
        raise write_failure(target, error) from error
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(target)
    except OSError as error:
        if error.filename not in (None, str(temporary)) or isinstance(error, BrokenPipeError):
            raise  # about another file that the block touched; a pipe is never ours
        raise write_failure(target, error) from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    _flush_folder(target.parent)


def write_bytes_atomically(path: str | os.PathLike[str], data: bytes | memoryview) -> None:
    """Write ``data`` to ``path`` through :func:`atomic_write`."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def atomic_link(source: Path, path: Path) -> None:
    """Make ``path`` a second name of the file ``source``, or a copy where the file system has no such names."""
    with atomic_write(path) as temporary:
        temporary.unlink()
        try:
            temporary.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, temporary)


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder and those above it; WriteError if that cannot be done."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_failure(path, error) from error


def is_temporary(path: Path) -> bool:
    """Whether a file has the name of one that is being written, or was when its process got killed.

    >>> is_temporary(Path("runs/.last.0123456789abcdef.ckpt")), is_temporary(Path("runs/last.ckpt"))
    (True, False)
    """
    return TEMPORARY.fullmatch(path.name) is not None


def remove_temporaries(folder: str | os.PathLike[str]) -> None:
    """Delete what writers that were killed left in ``folder``; nobody may be writing there now."""
    for path in filter(is_temporary, Path(folder).glob(".*")):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise write_failure(path, error) from error


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Make the rename itself durable, where a folder can be opened and synced (not on every system)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
