"""Who runs a subject: the native runtime, and each peer in each precision."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.subjects import Subject
from signbit.format import Graph, write_bytes
from signbit.interop import PEERS
from signbit.interop.engines import FloatArray, Runner, run_onnx, run_openvino
from signbit.interop.onnx_graph import to_onnx
from signbit.interop.openvino_graph import to_openvino
from signbit.runtime import Session

CALIBRATION_IMAGES = 8
Builder = Callable[[int], Runner]
"""Threads -> a function from images to outputs."""


def engines(subject: Subject, images: FloatArray, isa: str | None) -> dict[str, Builder]:
    """Name -> builder. What takes long, quantizing above all, is done here, once for all numbers of threads.

    Parameters
    ----------
    images : for the calibration of int8.
    isa : tier of the native runtime; None: the best.
    """
    content = write_bytes(subject.binary)
    twin = subject.float_twin
    onnx, onnx_int8 = to_onnx(twin).SerializeToString(), _onnx_int8(twin, images)
    table: dict[str, Builder] = {
        "signbit": lambda threads: Session(content, threads=threads, isa=isa).run,
        "openvino binary": lambda threads: run_openvino(to_openvino(subject.binary), threads),
        "openvino fp32": lambda threads: run_openvino(to_openvino(twin), threads),
        "onnxruntime fp32": lambda threads: run_onnx(onnx, threads),
        "onnxruntime int8": lambda threads: run_onnx(onnx_int8, threads),
        "torch fp32": lambda threads: PEERS["torch"].target(twin, threads),
    }
    openvino_int8 = _openvino_int8(twin, images)
    table["openvino int8"] = lambda threads: run_openvino(openvino_int8, threads)
    if has_bf16():
        table["openvino binary, bf16"] = lambda threads: run_openvino(to_openvino(subject.binary), threads, "bf16")
        table["openvino bf16"] = lambda threads: run_openvino(to_openvino(twin), threads, "bf16")
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
