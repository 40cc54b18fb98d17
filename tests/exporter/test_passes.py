"""Each pass by itself: what it makes of a small network, and how it shows that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import signbit
from exporter.networks import lived_in, sign_conv, sign_linear
from signbit.errors import ExportError
from signbit.exporter.folding import fold
from signbit.exporter.lower import lower
from signbit.exporter.plan import plan
from signbit.exporter.symbol import Elementwise, Flatten, MaxPool
from signbit.exporter.trace import trace
from signbit.format import DType, GraphBuilder
from signbit.runtime import reference

PASSES = ["trace", "fold", "lower", "plan", "verify"]


class Small(nn.Module):
    """A float and a binary convolution, a pool, norms, a binary linear layer; one result is thrown away."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4)
        self.conv, self.after = sign_conv(4, 6, 3), nn.BatchNorm2d(6)
        self.pool, self.fc = nn.MaxPool2d(2), sign_linear(6 * 2 * 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x))
        torch.exp(x)
        return self.fc(torch.flatten(self.pool(self.after(self.conv(x))), 1))


def small() -> nn.Module:
    torch.manual_seed(0)
    return lived_in(Small(), torch.randn(4, 2, 6, 8)).eval()


def test_trace_names_operations_modules_shapes_and_lines() -> None:
    traced = trace(small(), (2, 6, 8))
    assert [(call.op, call.where, call.kind, call.shape) for call in traced.calls if call.shape is not None] == [
        ("conv2d", "stem", "Conv2d", (4, 6, 8)),
        ("batch_norm", "norm", "BatchNorm2d", (4, 6, 8)),
        ("opaque", "conv.input_pipeline.0", "SignClip", (4, 6, 8)),
        ("opaque", "conv", "BinaryConv2d", (6, 4, 6)),
        ("batch_norm", "after", "BatchNorm2d", (6, 4, 6)),
        ("max_pool2d", "pool", "MaxPool2d", (6, 2, 3)),
        ("flatten", "flatten", "flatten", (36,)),
        ("slice", "fc.slice", "slice", (36,)),
        ("unsqueeze", "fc.unsqueeze", "unsqueeze", (36, 1)),
        ("unsqueeze", "fc.unsqueeze_1", "unsqueeze", (36, 1, 1)),
        ("opaque", "fc.input_pipeline.0", "SignClip", (36, 1, 1)),
        ("flatten", "fc.flatten", "flatten", (36,)),
        ("opaque", "fc", "BinaryLinear", (3,)),
        ("slice", "fc.slice_1", "slice", (3,)),
        ("unsqueeze", "fc.unsqueeze_2", "unsqueeze", (3, 1)),
        ("unsqueeze", "fc.unsqueeze_3", "unsqueeze", (3, 1, 1)),
        ("flatten", "fc.flatten_1", "flatten", (3,)),
    ]
    sources = {call.where: call.source for call in traced.calls}
    assert sources["stem"].endswith("x = self.norm(self.stem(x))")
    assert "test_passes.py, line " in sources["pool"]


def test_fold_leaves_steps_pending_until_it_is_known_who_reads() -> None:
    model = small()
    folded = fold(trace(model, (2, 6, 8)), model)
    assert [(action.op, action.call.where) for action in folded.actions] == [
        ("conv2d", "stem"), ("binary_conv2d", "conv"), ("binary_conv2d", "fc"),
    ]  # fmt: skip
    assert folded.actions[0].blobs.keys() == {"weight", "bias"}  # the norm is in them
    (x,) = folded.actions[2].inputs
    assert x.base == 2
    assert [type(item) for item in x.pending] == [Elementwise, MaxPool, Flatten]
    assert folded.fates["norm"] == ["folded into the weights of stem"]


def test_lower_makes_thresholds_of_what_is_pending() -> None:
    model = small()
    lowered = lower(fold(trace(model, (2, 6, 8)), model))
    assert [node.op for node in lowered.graph.nodes][:3] == ["conv2d", "threshold", "binary_conv2d"]
    assert lowered.graph.nodes[2].name == "conv"
    assert lowered.graph.values[lowered.graph.nodes[2].output].dtype is DType.I32
    assert any("thresholds of fc.input_pipeline" in fate for fate in lowered.fates["after"])


def test_plan_drops_what_nobody_reads_and_counts_the_rest() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = sign_conv(8, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            first, _ = x.chunk(2, 1)
            return self.conv(first)

    torch.manual_seed(1)
    images = torch.randn(2, 16, 5, 6)
    model = Half()
    lowered = lower(fold(trace(model, images.shape[1:]), model))
    planned = plan(lowered.graph)
    assert len(planned.dropped) == 1
    assert len(planned.graph.nodes) == len(lowered.graph.nodes) - 1
    costs = {node.op: cost for node, cost in zip(planned.graph.nodes, planned.costs, strict=True)}
    assert costs["binary_conv2d"].one_bit_macs == 3 * 4 * 4 * 8 * 9
    assert costs["conv2d"].float_macs == 5 * 6 * 8 * 16
    assert costs["threshold"].alive_bytes == 5 * 6 * 8 * 4 + 5 * 6  # its input, and eight bits in an octet
    assert planned.peak_bytes == 5 * 6 * (16 + 8) * 4
    before, after = (reference.run(graph, images.numpy()) for graph in (lowered.graph, planned.graph))
    np.testing.assert_array_equal(before, after)


def test_a_value_is_alive_from_its_making_to_its_last_reader() -> None:
    builder = GraphBuilder()
    images = builder.input((2, 2, 1))
    first = builder.node("sigmoid", images)
    second = builder.node("sigmoid", first)
    graph = builder.graph(builder.node("add", second, first))
    assert [cost.alive_bytes for cost in plan(graph).costs] == [32, 32, 48]


def test_every_pass_shows_what_it_made(tmp_path: Path) -> None:
    shown: dict[str, str] = {}
    report = signbit.export(
        small(), torch.randn(3, 2, 6, 8), tmp_path / "model.sbn", explain=lambda name, text: shown.update({name: text})
    )
    assert list(shown) == PASSES
    assert "# " in shown["trace"]
    assert "Nx4x6x8  [stem]" in shown["trace"]
    assert "%3 = binary_conv2d(%2 through affine after, maxpool pool, flatten flatten as bits PM1)" in shown["fold"]
    assert "= threshold(%1) -> 6x8x4 pm1  [conv.input_pipeline]" in shown["lower"]
    assert f"{6 * 4 * 6 * 36:,} 1-bit MACs" in shown["plan"]
    assert f"max_abs_diff: {report.max_abs_diff}" in shown["verify"]


def test_passes_before_the_one_that_fails_are_shown(tmp_path: Path) -> None:
    shown: list[str] = []
    with pytest.raises(ExportError, match="GELU"):
        signbit.export(
            nn.Sequential(nn.GELU()), torch.zeros(1, 2, 3, 3), tmp_path / "model.sbn",
            explain=lambda name, _: shown.append(name),
        )  # fmt: skip
    assert shown == ["trace"]
