"""``signbit.summary``: what a network costs before it is trained, and the size of the file that it will become."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

import signbit
from signbit.errors import ExportError
from signbit.exporter.passes import run_passes
from signbit.exporter.plan import constant_bytes
from signbit.exporter.report import owner_of
from signbit.format import Graph, write_bytes
from signbit.metrics.layer_costs import LayerCost, layer_costs
from signbit.metrics.operations import TrainingOperations, training_operations

COLUMNS = ("layer", "kind", "kernel", "groups", "output", "bits", "1-bit par.", "32-bit par.", "1-bit MACs",
           "32-bit MACs", "file bytes", "activation")  # fmt: skip


@dataclass(frozen=True)
class SummaryRow:
    """A layer: its costs, and the bytes of its constants in the file (None if the network cannot be exported)."""

    cost: LayerCost
    file_bytes: int | None


@dataclass(frozen=True)
class Summary:
    """The result of :func:`summary`; ``str()`` of it is a table. Counts are for one image.

    Attributes
    ----------
    layers : one row per module with parameters.
    sbn_bytes : predicted size of the ``.sbn`` file of the trained network; None if it cannot be exported.
    not_exportable : the reason, empty otherwise.
    training : bit operations of a training step with float32 gradients.
    """

    layers: tuple[SummaryRow, ...]
    sbn_bytes: int | None
    not_exportable: str
    training: TrainingOperations

    @property
    def one_bit_parameters(self) -> int:
        """Weights that take one bit each."""
        return sum(row.cost.one_bit_parameters for row in self.layers)

    @property
    def float_parameters(self) -> int:
        """All other parameters."""
        return sum(row.cost.parameters for row in self.layers)

    @property
    def one_bit_macs(self) -> int:
        """Products of a bit and a bit."""
        return sum(row.cost.one_bit_macs for row in self.layers)

    @property
    def float_macs(self) -> int:
        """All other products."""
        return sum(row.cost.float_macs for row in self.layers)

    @property
    def activation_bytes(self) -> int:
        """The most that any layer reads and writes, see :class:`signbit.metrics.LayerCost`."""
        return max((row.cost.activation_bytes for row in self.layers), default=0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        names = ("one_bit_parameters", "float_parameters", "one_bit_macs", "float_macs", "activation_bytes")
        return {
            **{name: getattr(self, name) for name in names},
            "sbn_bytes": self.sbn_bytes,
            "not_exportable": self.not_exportable,
            "training": asdict(self.training),
            "layers": [
                {
                    **asdict(row.cost),
                    "one_bit_macs": row.cost.one_bit_macs,
                    "float_macs": row.cost.float_macs,
                    "file_bytes": row.file_bytes,
                }
                for row in self.layers
            ],
        }

    def __str__(self) -> str:
        totals = ("total", "", "", "", "", "", f"{self.one_bit_parameters:,}", f"{self.float_parameters:,}",
                  f"{self.one_bit_macs:,}", f"{self.float_macs:,}", "", f"{self.activation_bytes:,}")  # fmt: skip
        lines = _aligned([COLUMNS, *map(_cells, self.layers), totals])
        rule = "-" * len(lines[0])
        size = f"{self.sbn_bytes:,} bytes predicted" if self.sbn_bytes is not None else f"none: {self.not_exportable}"
        work = self.training
        share = f", {work.total / work.float_twin:.1%} of the float twin's" if work.float_twin else ""
        return "\n".join(
            [lines[0], rule, *lines[1:-1], rule, lines[-1], "", f".sbn file: {size}",
             f"training step, bit operations of the products an image: {work.total:.3g}{share}"]
        )  # fmt: skip


def summary(model: nn.Module, input_size: tuple[int, ...]) -> Summary:
    """Precision, parameters, products, bytes and activation memory of every layer; totals; the size of the file.

    The size is that of the file which :func:`signbit.export` would write without metadata after training: constants
    that are equal only because training has not begun (fresh norms) are counted one by one.

    Parameters
    ----------
    model : looked at in evaluation mode on one image of zeros; it is left as it was.
    input_size : (batch, channels, height, width); everything is counted for one image.

    Errors
    ------
    ConfigError, ShapeError : ``input_size`` is no image size, or not this network's.

    >>> from signbit.methods import create_model
    >>> costs = summary(create_model("convnet-tiny", method="ste", num_classes=10), (1, 1, 8, 8))
    >>> costs.one_bit_parameters, costs.one_bit_macs, costs.float_macs
    (92160, 1916928, 19072)
    """
    costs = layer_costs(model, input_size)
    names = [cost.name for cost in costs]
    size: int | None
    after: Mapping[str, int | None]
    try:
        metadata = {"producer": f"signbit {signbit.__version__}"}
        graph = run_passes(_as_if_trained(model), input_size[1:], metadata).plan.graph
    except ExportError as error:
        size, after, reason = None, dict.fromkeys(names), str(error)
    else:
        size, after, reason = len(write_bytes(graph)), _bytes_by_layer(graph, names), ""
    rows = tuple(SummaryRow(cost, after[cost.name]) for cost in costs)
    return Summary(rows, size, reason, training_operations(costs))


def _as_if_trained(model: nn.Module) -> nn.Module:
    """A copy whose norms and scales differ from layer to layer: a file holds equal constants once.

    Signs stay, since the direction of a threshold hangs on them; only what is zero throughout may become anything.
    """
    copy = deepcopy(model).to("cpu")
    draw = torch.Generator().manual_seed(0)
    for tensor in (*copy.parameters(), *copy.buffers()):
        if tensor.dim() == 1 and tensor.is_floating_point():
            noise = torch.rand(tensor.shape, generator=draw)
            tensor.data = tensor.data * (1 + noise) if tensor.any() else 16 * noise
    return copy


def _bytes_by_layer(graph: Graph, names: list[str]) -> Mapping[str, int | None]:
    """Constants of the nodes, each counted for the innermost listed module that its name lies in."""
    total = dict.fromkeys(names, 0)
    for node in graph.nodes:
        if (layer := owner_of(node.name, total)) is not None:
            total[layer] += constant_bytes(node)
    return dict(total)


def _cells(row: SummaryRow) -> tuple[str, ...]:
    cost = row.cost
    kernel = "" if cost.kernel is None else "x".join(map(str, cost.kernel))
    if cost.stride is not None and cost.stride != (1, 1):
        kernel += f" / {'x'.join(map(str, cost.stride))}"
    bits = f"{cost.weight_bits}/{cost.input_bits}" if cost.weight_bits else "32"
    numbers = (cost.one_bit_parameters, cost.parameters, cost.one_bit_macs, cost.float_macs)
    return (
        cost.name, cost.kind, kernel, str(cost.groups) if cost.kernel else "", "x".join(map(str, cost.output_shape)),
        bits, *(f"{number:,}" for number in numbers), "?" if row.file_bytes is None else f"{row.file_bytes:,}",
        f"{cost.activation_bytes:,}",
    )  # fmt: skip


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    left = 6  # text to the left, numbers to the right
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
