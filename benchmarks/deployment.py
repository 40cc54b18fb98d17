"""What a user installs: the wheel, what it needs, and how long the import takes."""

from __future__ import annotations

import subprocess
import sys
import time
from email import message_from_bytes
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]


def wheel() -> dict[str, Any]:
    """Size of the wheel, built here and now, and the packages that it cannot do without."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*command, "--wheel-dir", folder, str(ROOT)], check=True, stdout=sys.stderr)
        (built,) = Path(folder).glob("signbit-*.whl")
        with ZipFile(built) as archive:
            (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            needed = message_from_bytes(archive.read(metadata)).get_all("Requires-Dist", [])
        return {"bytes": built.stat().st_size, "requires": [name for name in needed if "extra ==" not in name]}


def import_ms() -> float:
    """What ``import signbit`` adds to starting Python."""

    def once(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    return 1000 * median(once("import signbit") - once("pass") for _ in range(7))
