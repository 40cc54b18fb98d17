"""Engines that ``signbit bench --against`` can time beside the native runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from signbit.errors import MissingDependencyError
from signbit.format import Graph
from signbit.registry import Registry

Runner = Callable[[npt.NDArray[np.float32]], npt.NDArray[Any]]
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
    torch.set_num_threads(threads)

    def run(x: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(x)).numpy())

    return run
