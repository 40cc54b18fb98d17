"""Every method on every network, and every valid pair of methods: trained a little, exported, run, compared."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models_at_hand import SHIPPED, narrow
from torch import Tensor, nn
from torch.nn import functional as F

import signbit
from exporter.networks import assert_native_sums, assert_same_numbers, lived_in
from signbit.exporter import ExportReport
from signbit.format import Bits, read
from signbit.layers import BinaryConv2d, BinaryLinear
from signbit.methods import METHODS, PAIRINGS, create_model, create_optimizer, resolve
from signbit.models import MODELS
from signbit.runtime import available_isas

pytestmark = pytest.mark.slow
CLASSES = 5
TIERS = [isa for isa in available_isas() if isa != "reference"]


def trained(model: nn.Module, method: str, images: Tensor) -> nn.Module:
    """``model`` after two steps by its method, then with norms, thresholds and scales anywhere.

    Small steps: where they drive a self-distribution's sigmoid into saturation, ``-1 + beta`` is zero or just below by
    rounding alone, and so is the sign after a hardtanh.
    """
    optimizer = create_optimizer(model, method=method, total_steps=10, lr=1e-3)
    for _ in range(2):
        F.cross_entropy(model(images), torch.arange(len(images)) % CLASSES).backward()
        optimizer.step()
        optimizer.zero_grad()
    return lived_in(model, images, passes=1)


def exported(model: nn.Module, images: Tensor, path: Path) -> ExportReport:
    """Export ``model``; the file computes what torch does, natively the same sums, and the report calls them packed."""
    report = signbit.export(model, images, path)
    graph = read(path)
    values = assert_same_numbers(graph, model, images)
    binary = {name: m for name, m in model.named_modules() if isinstance(m, BinaryConv2d | BinaryLinear)}
    on_bits = {name for name, layer in binary.items() if len(layer.input_pipeline)}
    assert {row.name for row in report.layers if row.packed} == binary.keys()
    assert {row.name for row in report.layers if row.reason.startswith("packed: ")} == on_bits
    assert {node.name for node in graph.nodes if isinstance(node.blobs.get("weight"), Bits)} == binary.keys()
    for isa in TIERS:
        assert assert_native_sums(graph, values, isa) == len(on_bits)
    assert report.verification.flipped_images == 0
    return report


@pytest.mark.parametrize("method", METHODS.names())
@pytest.mark.parametrize("name", MODELS.names())
def test_every_method_on_every_network(name: str, method: str, tmp_path: Path) -> None:
    size, settings = SHIPPED[name]
    torch.manual_seed(0)
    model = narrow(name)(resolve(method).layers(), num_classes=CLASSES, input_size=size, **settings)
    images = torch.randn(2, *size[1:])
    report = exported(trained(model, method, images), images, tmp_path / "model.sbn")
    assert (report.packed_layers == 0) == (method == "float")


@pytest.mark.parametrize("method", ["+".join(entry.methods) for entry in PAIRINGS if entry.works])
def test_every_pair_of_methods(method: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = create_model("convnet-tiny", method=method, num_classes=CLASSES, input_size=(1, 1, 8, 8), width=8)
    images = torch.randn(2, 1, 8, 8)
    report = exported(trained(model, method, images), images, tmp_path / "model.sbn")
    assert report.packed_layers == 3


@pytest.mark.parametrize(("name", "method"), [("alexnet", "bop"), ("resnet34", "cyclebnn"), ("resnet50", "si-bnn")])
def test_large_networks_at_their_own_size(name: str, method: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = create_model(name, method=method, num_classes=1000, input_size=(1, 3, 224, 224))
    images = torch.randn(2, 3, 224, 224)
    exported(lived_in(model, images, passes=1), images[:1], tmp_path / "model.sbn")
