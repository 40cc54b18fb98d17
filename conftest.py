"""Examples of modules that need an optional package are collected where it is installed."""

from __future__ import annotations

from importlib.util import find_spec

OPTIONAL = {"onnx": "src/signbit/interop/onnx_graph.py", "openvino": "src/signbit/interop/openvino_graph.py"}

missing = [package for package in OPTIONAL if find_spec(package) is None]
collect_ignore = [OPTIONAL[package] for package in missing]


def pytest_report_header() -> list[str]:
    return [f"{package} is not installed: no examples of {OPTIONAL[package]}" for package in missing]
