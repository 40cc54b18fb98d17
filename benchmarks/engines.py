"""Who runs a network: the native runtime, and each peer in each precision."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from signbit.format import Graph, write_bytes
from signbit.interop import PEERS
from signbit.interop.engines import FloatArray, Runner, run_onnx, run_openvino
from signbit.interop.onnx_graph import to_onnx
from signbit.interop.openvino_graph import to_openvino
from signbit.runtime import Session

CALIBRATION_IMAGES = 8
Builder = Callable[[int], Runner]
"""Threads -> a function from images to outputs."""


def binary_engines(graph: Graph, isa: str | None) -> dict[str, Builder]:
    """Name -> builder, of those that run the binary network itself.

    Parameters
    ----------
    isa : tier of the native runtime; None: the best.
    """
    content = write_bytes(graph)
    openvino = cache(lambda: to_openvino(graph))
    table: dict[str, Builder] = {
        "signbit": lambda threads: Session(content, threads=threads, isa=isa).run,
        "openvino binary": lambda threads: run_openvino(openvino(), threads),
    }
    if has_bf16():
        table["openvino binary, bf16"] = lambda threads: run_openvino(openvino(), threads, "bf16")
    return table


def float_engines(twin: Graph, images: FloatArray) -> dict[str, Builder]:
    """Name -> builder, of those that run the full-precision twin; what takes long is done at the first use, and once.

    Parameters
    ----------
    images : for the calibration of int8.
    """
    onnx, openvino = cache(lambda: to_onnx(twin).SerializeToString()), cache(lambda: to_openvino(twin))
    onnx_int8, openvino_int8 = cache(lambda: _onnx_int8(twin, images)), cache(lambda: _openvino_int8(twin, images))
    table: dict[str, Builder] = {
        "openvino fp32": lambda threads: run_openvino(openvino(), threads),
        "openvino int8": lambda threads: run_openvino(openvino_int8(), threads),
        "onnxruntime fp32": lambda threads: run_onnx(onnx(), threads),
        "onnxruntime int8": lambda threads: run_onnx(onnx_int8(), threads),
        "torch fp32": lambda threads: PEERS["torch"].target(twin, threads),
    }
    if has_bf16():
        table["openvino bf16"] = lambda threads: run_openvino(openvino(), threads, "bf16")
    return table


def has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16; emulated it is slower than float32."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    return ("avx512_bf16" in flags or "amx_bf16" in flags) and "ONEDNN_MAX_CPU_ISA" not in os.environ


def _openvino_int8(graph: Graph, images: FloatArray) -> Any:
    """OpenVINO's own post-training quantization."""
    os.environ["NNCF_CI"] = "1"  # no usage statistics
    import nncf

    nncf.set_log_level(logging.ERROR)
    dataset = nncf.Dataset([image[None] for image in images])
    return nncf.quantize(to_openvino(graph), dataset, subset_size=len(images))


def _onnx_int8(graph: Graph, images: FloatArray) -> bytes:
    """ONNX Runtime's static quantization, weights by channel."""
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    class Images(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left: Iterator[FloatArray] = iter(images)

        def get_next(self) -> dict[str, FloatArray] | None:
            image = next(self.left, None)
            return None if image is None else {"input": np.ascontiguousarray(image[None])}

    logging.getLogger().setLevel(logging.ERROR)  # it advises to pre-process; the graph has its batch norms folded
    with TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(to_onnx(graph), path, Images(), per_channel=True)
        return path.read_bytes()
