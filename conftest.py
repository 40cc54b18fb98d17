"""Examples of modules that need an optional package are collected where it is installed; Ctrl-C works everywhere."""

from __future__ import annotations

import signal
from importlib.util import find_spec

import pytest
import pytest_randomly

OPTIONAL = {
    "src/signbit/interop/onnx_graph.py": "onnx",
    "src/signbit/interop/onnx_writer.py": "onnx",
    "src/signbit/interop/openvino_graph.py": "openvino",
    "src/signbit/interop/qonnx_graph.py": "onnx",
    "src/signbit/interop/read_qonnx.py": "onnx",
    "src/signbit/interop/import_qonnx.py": "onnx",
}

# A shell starts what runs in the background with interrupts ignored, and every process of a test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Seeders of other packages: QONNX's says on standard output, before every test, that it was called.
pytest_randomly.entrypoint_reseeds = []

missing = [path for path, package in OPTIONAL.items() if find_spec(package) is None]
collect_ignore = [*missing, "tests/native/native_substitute.py"]  # a plugin: loading it replaces the native module


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    """Where a conformance suite runs: on the CPU, and on a GPU where there is one."""
    import torch

    name: str = request.param
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return name


def pytest_report_header() -> list[str]:
    return [f"{OPTIONAL[path]} is not installed: no examples of {path}" for path in missing]
