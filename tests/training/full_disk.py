"""Trains on a disk that gets full, gets room, and is read-only; prints what happened as a line of JSON.

``unshare -m full_disk.py FOLDER CONFIG.json``: mounts a small file system at FOLDER, seen by this process alone. The
run is ``FOLDER/run``; its checkpoint is copied to ``FOLDER.ckpt`` in the end.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from signbit.cli import main
from signbit.training import load_run
from signbit.training.checkpoints import LAST

SMALL, LARGE = "size=352k", "size=20M"
"""Room for three checkpoints of the run and not for four."""


def signbit(*words: str) -> dict[str, Any]:
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        code = main(words)
    said = [line for line in errors.getvalue().splitlines() if line.startswith("signbit: ")]
    return {"code": code, "said": said}


def mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)


def story(folder: Path, config: str) -> dict[str, Any]:
    run = folder / "run"
    mount(folder, SMALL)
    report = {"full": signbit("train", config, "--out", str(run))}
    report["files"] = sorted(path.name for path in run.rglob("*.*") if "tfevents" not in path.name)
    load_run(run)
    load_run(run, "checkpoints/best.ckpt")
    mount(folder, f"remount,ro,{SMALL}")
    report["read_only"] = signbit("train", "--resume", str(run))
    report["read_only_new"] = signbit("train", config, "--out", str(folder / "other"))
    report["eval"] = signbit("eval", str(run), "--data", "digits")
    mount(folder, f"remount,rw,{LARGE}")
    report["room"] = signbit("train", "--resume", str(run))
    shutil.copyfile(run / LAST, folder.with_suffix(".ckpt"))
    return report


if __name__ == "__main__":
    print(json.dumps(story(Path(sys.argv[1]), sys.argv[2])))
