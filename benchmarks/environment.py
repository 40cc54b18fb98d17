"""What a measurement depends on besides the code, and where its results go."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from signbit.runtime import available_isas

RESULTS = Path(__file__).parents[1] / "docs" / "results"
PACKAGES = ("signbit", "numpy", "torch", "openvino", "onnxruntime", "nncf")


def environment(quick: bool, repeats: int) -> dict[str, Any]:
    """Date, processor and versions of the packages that are installed."""
    cpuinfo = Path("/proc/cpuinfo")
    models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
    return {
        "quick": quick,
        "repeats": repeats,
        "date": time.strftime("%Y-%m-%d"),
        "cpu": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "tiers": available_isas(),
        "python": platform.python_version(),
        "packages": {package: version(package) for package in PACKAGES if find_spec(package)},
    }
