"""Every engine of ``signbit bench --against`` computes the network that the native runtime computes."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from networks_at_hand import network

from signbit.format import write_bytes
from signbit.interop import PEERS
from signbit.runtime import Session

NEEDS = {"torch": ("torch",), "onnxruntime": ("onnx", "onnxruntime"), "openvino": ("openvino",)}


@pytest.mark.parametrize("name", PEERS.names())
def test_peer_agrees_with_the_native_runtime(name: str) -> None:
    for package in NEEDS[name]:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install 'signbit[bench]'")
    graph, images = network("resnet20", "ste", 16)
    engine = PEERS[name].target(graph, 1)
    with Session(write_bytes(graph)) as session:
        for count in (1, 3):
            expected = session.run(images[:count])
            found = engine(images[:count]).reshape(expected.shape)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.ptp(expected))
            np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))
