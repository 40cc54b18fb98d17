from __future__ import annotations

import hashlib
import io
import re
import tarfile
from pathlib import Path

import pytest

from signbit.data.download import ATTEMPTS, Remote, fetch, unpack
from signbit.errors import DataError

from .conftest import FileServer


def remote(server: FileServer, *, content: bytes | None = None) -> Remote:
    expected = server.content if content is None else content
    return Remote(server.url, len(expected), "sha256", hashlib.sha256(expected).hexdigest())


def get(remote: Remote, folder: Path) -> Path:
    return fetch(remote, folder, pause_seconds=0)


def test_a_new_file_arrives_whole_and_alone(server: FileServer, tmp_path: Path) -> None:
    path = get(remote(server), tmp_path / "new" / "folder")
    assert path.read_bytes() == server.content
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


def test_an_existing_right_file_is_not_asked_for_again(server: FileServer, tmp_path: Path) -> None:
    path = get(remote(server), tmp_path)
    before = path.stat().st_mtime_ns
    assert get(remote(server), tmp_path) == path
    assert len(server.requests) == 1
    assert path.stat().st_mtime_ns == before


def test_an_existing_wrong_file_is_an_error_and_stays(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"mine")
    with pytest.raises(DataError, match="is not the published file"):
        get(remote(server), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == b"mine"
    assert server.requests == []


def test_an_interrupted_connection_is_continued_where_it_broke(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [100_000, 300_000]
    assert get(remote(server), tmp_path).read_bytes() == server.content
    assert server.requests == [None, "bytes=100000-", "bytes=400000-"]


def test_what_arrived_is_kept_for_the_next_call(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [1000] * ATTEMPTS
    with pytest.raises(DataError, match=re.escape(f"stopped at {1000 * ATTEMPTS} of {len(server.content)} bytes")):
        get(remote(server), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin.partial"]
    assert get(remote(server), tmp_path).read_bytes() == server.content
    assert server.requests[-1] == f"bytes={1000 * ATTEMPTS}-"


def test_a_server_without_ranges_starts_over(server: FileServer, tmp_path: Path) -> None:
    server.ranges = False
    server.cuts = [500_000]
    assert get(remote(server), tmp_path).read_bytes() == server.content


def test_a_wrong_checksum_is_an_error_and_nothing_stays(server: FileServer, tmp_path: Path) -> None:
    other = bytes(len(server.content))
    with pytest.raises(DataError, match="another checksum; it was removed"):
        get(remote(server, content=other), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_longer_file_is_not_read_to_its_end(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected 1000 bytes .* received 1001 bytes"):
        get(remote(server, content=server.content[:1000]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_partial_of_something_longer_is_dropped(server: FileServer, tmp_path: Path) -> None:
    wanted = remote(server)
    server.content = server.content[:5000]
    (tmp_path / "file.bin.partial").write_bytes(bytes(6000))
    with pytest.raises(DataError, match="the server answers 416"):
        get(wanted, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (503, ATTEMPTS)])
def test_only_a_server_in_trouble_is_asked_again(server: FileServer, tmp_path: Path, status: int, asked: int) -> None:
    server.status = status
    with pytest.raises(DataError, match=f"the server answers {status}"):
        get(remote(server), tmp_path)
    assert len(server.requests) == asked


def test_no_server_is_one_clear_error(tmp_path: Path) -> None:
    nobody = Remote("http://127.0.0.1:9/file.bin", 10, "md5", "0" * 32)
    with pytest.raises(DataError, match=r"stopped at 0 of 10 bytes: .*run the command again"):
        get(nobody, tmp_path)


def test_a_folder_that_cannot_be_made_is_a_data_error(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot store"):
        get(remote(server), tmp_path / "file" / "folder")


def archive(path: Path, *members: tarfile.TarInfo, content: bytes = b"four") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            if member.isreg():
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content) if member.isreg() else None)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_unpack_writes_files_and_nothing_else(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", member("top", tarfile.DIRTYPE), member("top/x.bin"), member("top/y/z.bin"))
    unpack(path, tmp_path)
    assert (tmp_path / "top/x.bin").read_bytes() == (tmp_path / "top/y/z.bin").read_bytes() == b"four"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar.gz", "top"]


@pytest.mark.parametrize(
    "bad",
    [
        member("../outside.bin"),
        member("/absolute.bin"),
        member("top/../../outside.bin"),
        member("C:\\windows.bin"),
        member("top/link", tarfile.SYMTYPE, "/etc/passwd"),
        member("top/hard", tarfile.LNKTYPE, "top/x.bin"),
        member("top/device", tarfile.CHRTYPE),
    ],
    ids=lambda info: info.name,
)
def test_unpack_refuses_what_leads_outside(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    path = archive(tmp_path / "a.tar.gz", member("top/x.bin"), bad)
    with pytest.raises(DataError, match="not a plain file inside the folder"):
        unpack(path, folder)
    assert list(folder.iterdir()) == []
    assert [p.name for p in tmp_path.iterdir() if p != folder] == ["a.tar.gz"]


@pytest.mark.parametrize("keep", [0, 10, 60])
def test_unpack_names_a_damaged_archive(tmp_path: Path, keep: int) -> None:
    path = archive(tmp_path / "a.tar.gz", member("top/x.bin"))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"cannot unpack .*a\.tar\.gz"):
        unpack(path, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar.gz"]
