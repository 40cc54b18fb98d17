"""Engines that ``signbit bench --against`` can time beside the native runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from signbit.errors import MissingDependencyError
from signbit.format import Graph
from signbit.interop.engines import FloatArray, Runner, run_onnx, run_openvino
from signbit.registry import Registry

Peer = Callable[[Graph, int], Runner]
"""``peer(graph, threads)`` prepares the network once and returns a function from images ``[N, C, H, W]`` to logits."""

PEERS: Registry[Peer] = Registry("engine")


@PEERS.register("torch", "PyTorch, eager, float32: binary weights and activations as -1/+1 floats")
def torch_peer(graph: Graph, threads: int) -> Runner:
    """The network as a torch module, run without autograd on ``threads`` threads."""
    try:
        import torch
    except ImportError:
        raise MissingDependencyError("torch", "bench --against torch", "train") from None
    from signbit.interop.torch_graph import TorchGraph

    module = TorchGraph(graph).eval()

    def run(x: FloatArray) -> npt.NDArray[Any]:
        if torch.get_num_threads() != threads:  # torch has one number for the process, and others may have set it
            torch.set_num_threads(threads)
        with torch.inference_mode():
            output: npt.NDArray[Any] = module(torch.from_numpy(x)).numpy()
            return output

    return run


@PEERS.register("onnxruntime", "ONNX Runtime, float32: binary weights and activations as -1/+1 floats")
def onnxruntime_peer(graph: Graph, threads: int) -> Runner:
    """The network as the ONNX model that ``signbit export --to onnx`` writes."""
    from signbit.interop.onnx_graph import to_onnx

    return run_onnx(to_onnx(graph).SerializeToString(), threads)


@PEERS.register("openvino", "OpenVINO: binary convolutions on its one-bit kernel, the rest float32")
def openvino_peer(graph: Graph, threads: int) -> Runner:
    """The network as the model that ``signbit export --to openvino`` writes, compiled once for each batch size."""
    from signbit.interop.openvino_graph import to_openvino

    compiled: dict[int, Runner] = {}

    def run(x: FloatArray) -> npt.NDArray[Any]:
        if len(x) not in compiled:
            compiled[len(x)] = run_openvino(to_openvino(graph, batch=len(x)), threads)
        return compiled[len(x)](x)

    return run
