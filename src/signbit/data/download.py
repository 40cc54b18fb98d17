"""Fetching published files: checked, resumable, never half-present under their final name."""

from __future__ import annotations

import hashlib
import http
import http.client
import re
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from signbit.errors import DataError

CHUNK_BYTES = 1 << 18
ATTEMPTS = 3
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Remote:
    """A published file: its address, exact size and checksum (``algorithm`` is a name of :mod:`hashlib`)."""

    url: str
    bytes: int
    algorithm: str
    digest: str

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", 1)[1]

    @property
    def folder(self) -> str:
        """The address without its last part."""
        return self.url.rsplit("/", 1)[0]

    def matches(self, path: Path) -> bool:
        """Whether ``path`` has this size and checksum."""
        if path.stat().st_size != self.bytes:
            return False
        with path.open("rb") as file:
            digest = hashlib.new(self.algorithm, usedforsecurity=False)
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        return digest.hexdigest() == self.digest


def fetch(remote: Remote, folder: Path, *, pause_seconds: float = 1.0) -> Path:
    """Download ``remote`` into ``folder`` and return its path there.

    A file that is already there and right is left alone. An interrupted download is kept as ``NAME.partial`` and
    continued, by this call (up to 3 attempts, ``pause_seconds`` apart, default 1) and by later ones. The final name
    appears only after size and checksum are right.

    Errors: :class:`DataError` if the server cannot be reached, sends something else, or breaks off every time; a wrong
    file that this function wrote is removed, one that was there before is not.
    """
    target = folder / remote.name
    partial = folder / f"{remote.name}.partial"
    if target.exists():
        if remote.matches(target):
            return target
        raise DataError(
            f"{target} exists but is not the published file ({remote.bytes} bytes, "
            f"{remote.algorithm} {remote.digest}); "
            "move it away to download it again"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _progress(remote) as report:
            _receive_all(remote, partial, report, pause_seconds)
    except OSError as error:
        raise DataError(f"cannot store {target}: {error}; choose a folder that is writable and has room") from error
    if not remote.matches(partial):
        size = partial.stat().st_size
        partial.unlink()
        raise DataError(
            f"{remote.url} is not the published file: expected {remote.bytes} bytes with {remote.algorithm} "
            f"{remote.digest}, received {size} bytes with another checksum; it was removed, try again later"
        )
    partial.replace(target)
    return target


def _receive_all(remote: Remote, partial: Path, report: Callable[[int], None], pause_seconds: float) -> None:
    """Attempts until ``partial`` has the full size; the failures in between are what networks do."""
    reason = ""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(remote, partial, report)
            if partial.stat().st_size >= remote.bytes:
                return
            reason = "the connection was closed early"
        except urllib.error.HTTPError as error:
            reason = f"the server answers {error.code} {error.reason}"
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                partial.unlink()  # the published file is shorter than what we hold: ours is of something else
            elif error.code < 500:
                break  # asking again does not help
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            reason = str(getattr(error, "reason", "") or error)
        if attempt < ATTEMPTS:
            time.sleep(pause_seconds)
    size = partial.stat().st_size if partial.exists() else 0
    raise DataError(
        f"download of {remote.url} stopped at {size} of {remote.bytes} bytes: {reason}; "
        f"run the command again to continue it, or put the file into {partial.parent} yourself"
    )


def _receive(remote: Remote, partial: Path, report: Callable[[int], None]) -> None:
    """One attempt: append to ``partial``, or start over where the server does not continue."""
    have = partial.stat().st_size if partial.exists() else 0
    if have >= remote.bytes:
        return
    request = urllib.request.Request(remote.url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        content_range = response.headers.get("Content-Range", "")
        continues = response.status == 206 and re.match(rf"bytes {have}-", content_range) is not None
        have = have if continues else 0
        with partial.open("ab" if continues else "wb") as file:
            report(have)
            # One octet more than announced is enough to see that the file is another one; an endless stream must end.
            while have <= remote.bytes and (chunk := response.read(min(CHUNK_BYTES, remote.bytes + 1 - have))):
                file.write(chunk)
                have += len(chunk)
                report(have)


@contextmanager
def _progress(remote: Remote) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; one line where rich is not installed or nobody watches."""
    if not sys.stderr.isatty() or find_spec("rich") is None:
        print(f"downloading {remote.url} ({remote.bytes / 1e6:.1f} MB)", file=sys.stderr)
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(remote.name, total=remote.bytes)
        yield lambda done: bar.update(task, completed=done)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar archive into ``folder``: plain files and folders only, each file appearing whole.

    Errors: :class:`DataError` for a damaged archive, and for a member that is a link or a device or whose name leads
    outside ``folder``; then nothing is changed.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpack-") as scratch:
        try:
            with tarfile.open(archive) as tar:
                files = [_checked(member, archive) for member in tar.getmembers() if not member.isdir()]
                for member in files:
                    destination = Path(scratch, member.name)
                    destination.parent.mkdir(parents=True, exist_ok=True)
                    source = tar.extractfile(member)
                    assert source is not None, "a regular member has content"
                    with source, destination.open("wb") as file:
                        while chunk := source.read(1 << 20):
                            file.write(chunk)
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise DataError(f"cannot unpack {archive}: {error}; delete it and fetch it again") from error
        for member in files:
            destination = folder / member.name
            destination.parent.mkdir(parents=True, exist_ok=True)
            Path(scratch, member.name).replace(destination)


def _checked(member: tarfile.TarInfo, archive: Path) -> tarfile.TarInfo:
    path = PurePosixPath(member.name)
    if not member.isreg() or path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name:
        raise DataError(
            f"{archive} holds {member.name!r}, which is not a plain file inside the folder; it is not the published "
            "archive, delete it"
        )
    return member
