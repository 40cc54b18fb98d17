"""The torch twin of a graph against the reference executor."""

from __future__ import annotations

import numpy as np
import torch
from sbn_graphs import NODES, every_operation, random_graph, random_input

from signbit.format import OPS
from signbit.interop.torch_graph import OPERATIONS, TorchGraph
from signbit.runtime import reference


def test_every_operation_has_a_twin() -> None:
    assert set(OPERATIONS) == set(OPS) == set(NODES)


def test_random_networks() -> None:
    """Bits may only differ where a float is within rounding of its threshold; that doesn't happen with these seeds."""
    torch.set_num_threads(1)
    for seed, graph in enumerate([every_operation(), *(random_graph(seed) for seed in range(60))]):
        x = random_input(graph, seed)
        expected = reference.run(graph, x)
        with torch.inference_mode():
            found = TorchGraph(graph)(torch.from_numpy(x)).numpy().reshape(expected.shape)
        scale = np.abs(expected).max(initial=1.0)
        np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-5, err_msg=f"seed {seed}")
