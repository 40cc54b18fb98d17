"""Writing files so that a reader sees the old content or the new, never a half: nothing is left after a failure."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from signbit.errors import SignbitError


def _failure(path: Path, error: OSError) -> SignbitError:
    reason = error.strerror or str(error)
    return SignbitError(f"cannot write {path}: {reason}; choose a folder that exists, is writable and has room")


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
    SignbitError : the folder is missing or not writable, ``path`` is a folder, or the disk is full.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    target = Path(path)
    if target.is_dir():
        raise SignbitError(f"cannot write {target}: it is a folder; give the name of a file")
    temporary = target.with_name(f".{target.stem[:100]}.{secrets.token_hex(8)}{target.suffix}")
    try:
        # 0666 less the umask, as a plain open() would make it; mkstemp would leave a file that only its owner can read.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o777)
    except OSError as error:
        raise _failure(target, error) from error
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(target)
    except OSError as error:
        if error.filename not in (None, str(temporary)) or isinstance(error, BrokenPipeError):
            raise  # about another file that the block touched; a pipe is never ours
        raise _failure(target, error) from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    _flush_folder(target.parent)


def write_bytes_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to ``path`` through :func:`atomic_write`."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


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
