"""Models of other engines as functions from images to outputs, on a given number of threads."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from signbit.errors import ConfigError, MissingDependencyError

FloatArray = npt.NDArray[np.float32]
Runner = Callable[[FloatArray], npt.NDArray[Any]]


def run_onnx(model: bytes, threads: int) -> Runner:
    """An ONNX model in ONNX Runtime, on the CPU.

    Parameters
    ----------
    model : the content of an ``.onnx`` file with one input and one output.
    threads : threads of an operator; operators run one after the other.

    Errors
    ------
    MissingDependencyError : onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingDependencyError("onnxruntime", "running ONNX models", "bench") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Between two runs its threads must not spin on the cores that the next engine is timed on.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: np.asarray(session.run(None, {name: x})[0])


def run_qonnx(model: Path) -> Runner:
    """A QONNX model in the ``qonnx`` package's own executor, with shapes inferred once for each number of images.

    Parameters
    ----------
    model : the path of a file with one input and one output.

    Errors
    ------
    MissingDependencyError : qonnx is not installed.
    """
    try:
        from qonnx.core import onnx_exec
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.transformation.change_batchsize import ChangeBatchSize
        from qonnx.transformation.infer_shapes import InferShapes
    except ImportError:
        raise MissingDependencyError("qonnx", "running QONNX models", "interop") from None
    networks: dict[int, Any] = {}

    def run(x: FloatArray) -> npt.NDArray[Any]:
        if len(x) not in networks:
            networks[len(x)] = ModelWrapper(str(model)).transform(ChangeBatchSize(len(x))).transform(InferShapes())
        network = networks[len(x)]
        source, result = network.graph.input[0].name, network.graph.output[0].name
        # It runs each node as a model of its own, in the newest file version that onnx writes, and ONNX Runtime may not
        # read that one yet; the version of the whole model serves.
        make_model = partial(onnx_exec.qonnx_make_model, ir_version=network.model.ir_version)
        with patch.object(onnx_exec, "qonnx_make_model", make_model):
            return np.asarray(onnx_exec.execute_onnx(network, {source: x})[result])

    return run


def run_openvino(model: Any, threads: int, precision: str = "f32", **settings: Any) -> Runner:
    """An OpenVINO model on the CPU, set up for latency.

    Parameters
    ----------
    model : an ``openvino.Model`` with one input and one output, or the path of its file.
    threads : threads of the one stream.
    precision : ``"f32"`` or ``"bf16"``: what float operations compute with.
    settings : more of OpenVINO's properties, such as ``PERF_COUNT=True``.

    Returns
    -------
    Runner : with the attribute ``request``, OpenVINO's own inference request. What it returns is valid until its next
        call.
    """
    import openvino

    properties = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
    }
    request = openvino.Core().compile_model(model, "CPU", properties | settings).create_infer_request()

    def run(x: FloatArray) -> npt.NDArray[Any]:
        return np.asarray(request.infer([x], share_inputs=True, share_outputs=True)[0])

    run.request = request  # type: ignore[attr-defined]
    return run


def run_c(path: Path) -> Runner:
    """A C header of :func:`signbit.interop.c_header.to_c`, compiled and loaded; takes one image.

    Errors
    ------
    ConfigError : there is no C compiler.
    """
    compiler = shutil.which(os.environ.get("CC") or "cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise ConfigError("a C header is compared by compiling it, and there is no C compiler; install one or set CC")
    header = path.read_text(encoding="utf-8")
    found = re.search(r"#define SIGNBIT_OUTPUT_SIZE (\d+)", header)
    assert found
    with TemporaryDirectory() as folder:
        source, library = Path(folder) / "model.c", Path(folder) / "model.so"
        export = "void signbit_predict(const float* input, float* output) { predict(input, output); }\n"
        source.write_text(header + export, encoding="utf-8")
        subprocess.run([compiler, "-std=c99", "-O2", "-shared", "-fPIC", source, "-o", library, "-lm"], check=True)
        predict = ctypes.CDLL(str(library)).signbit_predict

    def run(x: FloatArray) -> npt.NDArray[Any]:
        image, output = np.ascontiguousarray(x, np.float32), np.empty((1, int(found[1])), np.float32)
        predict(ctypes.c_void_p(image.ctypes.data), ctypes.c_void_p(output.ctypes.data))
        return output

    return run
