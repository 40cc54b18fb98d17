"""``signbit run`` on many images: order, what is written and when, what cannot be read, interruptions."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from signbit.cli import main, progress
from signbit.cli import run as run_command
from signbit.cli.progress import ProgressBar
from signbit.format import Bits, GraphBuilder, write
from signbit.runtime import Session

LABELS = ["dark", "bright"]


def write_network(path: Path, metadata: dict[str, Any], flat: bool = True) -> Path:
    """Two classes over 2 x 2 grey images: minus and plus the sum of the pixels, less 2."""
    builder = GraphBuilder()
    x = builder.input((2, 2, 1))
    if flat:
        x = builder.node("flatten", x)
        weight = Bits.pack(np.array([[0] * 4, [1] * 4]).reshape(2, 1, 1, 4))
        x = builder.node("conv2d", x, blobs={"weight": weight, "bias": np.array([2, -2], np.float32)})
    write(builder.graph(x, metadata), path)
    return path


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_network(tmp_path / "model.sbn", {"labels": LABELS})


def grey(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((2, 2), value, np.uint8)).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Seventy images in two folders, every third one bright."""
    folder = tmp_path / "photos"
    for index in range(70):
        grey(folder / ("more" if index >= 40 else "") / f"{index:02}.png", 255 if index % 3 == 0 else 0)
    return folder


def test_many_images_keep_their_order(network: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = photos.parent / "out.csv"
    assert main(["run", str(network), str(photos), "--csv", str(table)]) == 0
    out, err = capsys.readouterr()
    assert err == "", "no bar where standard error is no terminal"
    names = [f"{'more/' if index >= 40 else ''}{index:02}.png" for index in range(70)]
    expected = [(str(photos / name), LABELS[index % 3 == 0]) for index, name in enumerate(names)]
    assert [tuple(line.split()[:2]) for line in out.splitlines()] == expected
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [(row["image"], row["label"]) for row in rows] == expected
    assert {row["rank"] for row in rows} == {"1"}


def test_json_lists_so_many_and_counts_all(
    network: Path, photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_command, "LISTED", 3)
    for index in range(5):
        (photos / f"broken{index}.png").write_bytes(b"no")
    assert main(["run", str(network), str(photos), "--json"]) == 2
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert (result["classified"], result["skipped"]) == (70, 5)
    assert [row["image"] for row in result["images"]] == [str(photos / f"{index:02}.png") for index in range(3)]
    assert result["images"][0]["top"][0]["label"] == "bright"
    assert result["failed"] == [str(photos / f"broken{index}.png") for index in range(3)]
    assert result["csv"] is None
    assert err.splitlines()[-1] == "signbit: 5 of 75 images could not be read"


def test_what_cannot_be_read_is_named_and_passed_over(
    network: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "05.png").write_bytes(b"no image")
    (photos / "07.png").write_bytes((photos / "06.png").read_bytes()[:40])
    grey(photos / "08.png", 0)
    Image.new("L", (3, 2)).save(photos / "08.png")
    table = photos.parent / "out.csv"
    assert main(["run", str(network), str(photos), str(photos.parent / "none.png"), "--csv", str(table)]) == 2
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 67
    skipped = err.splitlines()
    assert len(skipped) == 5
    for line, name in zip(skipped, ("05.png", "07.png", "08.png", "none.png"), strict=False):
        assert line.startswith("signbit: skipped: ")
        assert name in line
    assert len(table.read_text().splitlines()) == 1 + 67


def test_strict_stops_at_the_first(network: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "05.png").write_bytes(b"no image")
    assert main(["run", str(network), str(photos), "--strict", "--csv", str(photos.parent / "out.csv")]) == 2
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 5
    assert "05.png" in err
    assert len(err.splitlines()) == 1
    assert sorted(path.name for path in photos.parent.iterdir()) == ["model.sbn", "photos"], "no half-written table"


def test_names_that_are_no_text(network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.png"))
    try:
        grey(path, 255)
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    table = tmp_path / "out.csv"
    assert main(["run", str(network), str(tmp_path), "--csv", str(table)]) == 0
    assert "a\\xff.png  bright" in capsys.readouterr().out
    assert b"/a\xff.png,1,1,bright," in table.read_bytes()


def test_files_of_others_that_cannot_be_used_are_refused(
    tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def error(metadata: dict[str, Any], flat: bool = True) -> str:
        assert main(["run", str(write_network(tmp_path / "bad.sbn", metadata, flat)), str(photos)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert len(err.splitlines()) == 1
        return err

    assert "1 labels" in error({"labels": ["one"]})
    assert "'ab'" in error({"labels": "ab"})
    assert "not a score a class" in error({}, flat=False)
    assert "mean [1, 2]" in error({"input": {"mean": [1, 2]}})
    (tmp_path / "empty").mkdir()
    assert main(["run", str(tmp_path / "bad.sbn"), str(photos), str(tmp_path / "empty")]) == 2
    assert capsys.readouterr().out == "", "every folder is looked into before anything is printed"
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert "signbit[images]" in error({})


def test_an_interrupt_leaves_nothing_behind(
    network: Path, photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = Session.run, []

    def interrupted(session: Session, x: np.ndarray) -> np.ndarray:
        calls.append(len(x))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(session, x)

    monkeypatch.setattr(Session, "run", interrupted)
    assert main(["run", str(network), str(photos), "--csv", str(photos.parent / "out.csv")]) == 130
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == calls[0]
    assert err == "signbit: interrupted\n"
    assert sorted(path.name for path in photos.parent.iterdir()) == ["model.sbn", "photos"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
@pytest.mark.parametrize(("ending", "code"), [("ctrl-c", 130), ("pipe", 141)])
def test_a_real_interrupt_and_a_pipe_that_nobody_reads(ending: str, code: int, network: Path, tmp_path: Path) -> None:
    grey(tmp_path / "one.png", 255)
    many = [str(tmp_path / "one.png")] * 3000
    command = [sys.executable, "-m", "signbit", "run", str(network), *many, "--csv", str(tmp_path / "out.csv")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "bright" in process.stdout.readline()
        if ending == "ctrl-c":
            process.send_signal(signal.SIGINT)
            process.stdout.read()
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        assert process.wait(60) == code
    assert err == ("signbit: interrupted\n" if ending == "ctrl-c" else "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.sbn", "one.png"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0)
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        with ProgressBar(4, stream) as bar:
            for _ in range(3):
                bar.step()
            bar.clear()
            bar.clear()
            bar.step()
    lines = terminal.getvalue().split(progress.CLEAR_LINE)
    assert [line.partition(",")[0] for line in lines] == [
        "", "[######..................] 1/4", "[############............] 2/4", "[##################......] 3/4",
        "", "[########################] 4/4", "",
    ]  # fmt: skip
    assert pipe.getvalue() == ""
