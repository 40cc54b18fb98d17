"""Many images through ``signbit run``: how busy it keeps the cores, and what memory it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.subjects import networks
from signbit.format import write_bytes

ROOT = Path(__file__).parents[1]
SIDE = 256
"""Pixels of the JPEG files, a little above the network's 224."""
TIMES = 4
"""How many times as many images the second run reads."""


def many_images(count: int) -> dict[str, Any]:
    """A run over ``count`` images and one over TIMES as many, each in a process of its own, with every core."""
    from PIL import Image

    cores = len(os.sched_getaffinity(0))
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "net.sbn").write_bytes(write_bytes(networks("resnet18", ["ste"], 224, 1000)["ste"].binary))
        (folder / "images").mkdir()
        draw = np.random.default_rng(0)
        coarse = draw.integers(0, 256, (SIDE // 8, SIDE // 8, 3), np.uint8)
        image = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        image.save(folder / "first.jpg", quality=90)
        jpeg = (folder / "first.jpg").read_bytes()
        runs = []
        for images in (count, TIMES * count):
            for i in range(images):
                (folder / "images" / f"{i}.jpg").write_bytes(jpeg)
            options = ["--resize", "--threads", str(cores), "--csv", str(folder / "out.csv")]
            command = [sys.executable, "-m", "signbit", "run", str(folder / "net.sbn"), str(folder / "images")]
            runs.append({"images": images, **_measured([*command, *options])})
    return {"cores": cores, "runs": runs}


def _measured(command: list[str]) -> dict[str, float]:
    """Wall-clock seconds, processor seconds and peak memory of one process."""
    with TemporaryDirectory() as folder:
        told = Path(folder) / "usage.json"
        subprocess.run([sys.executable, "-m", "benchmarks.usage", str(told), *command], check=True, cwd=ROOT)
        found: dict[str, float] = json.loads(told.read_text())
        return found
