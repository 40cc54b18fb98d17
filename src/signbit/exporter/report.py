"""What an export did: every layer packed or float and why, sizes, and the difference that was measured."""

from __future__ import annotations

import os
from collections.abc import Container, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from torch import nn

from signbit.exporter.hints import hints
from signbit.exporter.passes import Passes
from signbit.exporter.plan import NodeCost
from signbit.exporter.timing import TimeShares
from signbit.exporter.verify import ROUNDING, Verification
from signbit.layers import BinaryLayer

WEIGHTED = (BinaryLayer, nn.Conv2d, nn.Linear)
"""The layers that are counted as packed or float; norms and the like are listed but not counted."""


HEADER = ("layer", "kind", "before", "after", "1-bit MACs", "float MACs", "time", "")
UNUSED = "not used by the network"
COMPUTED = "constant: computed at export"


@dataclass(frozen=True)
class LayerRow:
    """What became of one module with parameters or statistics.

    Attributes
    ----------
    name : path of the module.
    kind : its type.
    weighted : whether it is a convolution or linear layer.
    packed : whether its weights take one bit each.
    reason : why it is packed or float, or where it was folded to.
    bytes_before : its parameters and statistics as float32.
    bytes_after : its constants in the file.
    one_bit_macs : products of a bit and a bit for one image.
    float_macs : all its other products.
    time_share : of the time of one image that its steps take, 0 .. 1; None where it was not measured.
    """

    name: str
    kind: str
    weighted: bool
    packed: bool
    reason: str
    bytes_before: int
    bytes_after: int
    one_bit_macs: int
    float_macs: int
    time_share: float | None


@dataclass(frozen=True)
class ExportReport:
    """The result of :func:`signbit.export`; ``str()`` of it is a table.

    Attributes
    ----------
    file : the file that was written.
    bytes : its size.
    float_bytes : parameters and statistics of the model as float32.
    layers : one row per module with parameters, in the model's order.
    peak_bytes : the most that values of one image take together, see :class:`signbit.exporter.plan.Plan`.
    time_source : what the shares of time come from, or why there are none.
    hints : what would make the network smaller or faster.
    verification : the measured difference from the torch model.
    """

    file: str
    bytes: int
    float_bytes: int
    layers: tuple[LayerRow, ...]
    peak_bytes: int
    time_source: str
    hints: tuple[str, ...]
    verification: Verification

    @property
    def packed_layers(self) -> int:
        """Convolutions and linear layers whose weights take one bit each."""
        return sum(row.packed for row in self.layers)

    @property
    def float_layers(self) -> int:
        """Convolutions and linear layers with float weights."""
        return sum(row.weighted and not row.packed for row in self.layers)

    @property
    def one_bit_macs(self) -> int:
        """Products of a bit and a bit for one image."""
        return sum(row.one_bit_macs for row in self.layers)

    @property
    def float_macs(self) -> int:
        """All other products."""
        return sum(row.float_macs for row in self.layers)

    @property
    def max_abs_diff(self) -> float:
        """Largest difference of an output from torch's."""
        return self.verification.max_abs_diff

    @property
    def argmax_agreement(self) -> float:
        """Share of the images with the same largest output as in torch, 0 .. 1."""
        return self.verification.argmax_agreement

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "file": self.file,
            "bytes": self.bytes,
            "float_bytes": self.float_bytes,
            "packed_layers": self.packed_layers,
            "float_layers": self.float_layers,
            "max_abs_diff": self.max_abs_diff,
            "argmax_agreement": self.argmax_agreement,
            "one_bit_macs": self.one_bit_macs,
            "float_macs": self.float_macs,
            "peak_bytes": self.peak_bytes,
            "time_source": self.time_source,
            "hints": list(self.hints),
            "verification": vars(self.verification),
            "layers": [vars(row) for row in self.layers],
        }

    def __str__(self) -> str:
        check = self.verification
        rows: list[tuple[str, ...]] = [HEADER]
        for row in self.layers:
            counts = (row.bytes_before, row.bytes_after, row.one_bit_macs, row.float_macs)
            time = "" if row.time_share is None else f"{row.time_share:.1%}"
            rows.append((row.name, row.kind, *(f"{count:,}" for count in counts), time, row.reason))
        return "\n".join(
            [
                *_table(rows),
                "",
                f"{self.file}: {self.bytes:,} bytes, {self.float_bytes / self.bytes:.1f} times smaller than "
                f"{self.float_bytes:,} bytes of float32; {self.packed_layers} layers packed, {self.float_layers} float",
                f"one image: {self.one_bit_macs:,} 1-bit MACs, {self.float_macs:,} float; values take at most "
                f"{self.peak_bytes:,} bytes; time: {self.time_source}",
                f"verified on {check.images} image(s) with {check.engine}: largest difference {check.max_abs_diff:.3g} "
                f"(outputs span {check.output_range:.3g}), argmax agreement {check.argmax_agreement:.2%}, "
                f"{check.flipped_images} image(s) beyond {ROUNDING:g} of the span",
                *(f"hint: {hint}" for hint in self.hints),
            ]
        )


def make_report(
    path: str | os.PathLike[str],
    size: int,
    model: nn.Module,
    passes: Passes,
    times: TimeShares,
    verification: Verification,
) -> ExportReport:
    """Put together what the passes, the profile and the verification found.

    Parameters
    ----------
    size : bytes of the file.
    """
    modules = {name: module for name, module in model.named_modules() if _own_floats(module)}
    fates = passes.lower.fates
    calls = fates.keys() - dict(model.named_modules()).keys()
    costs: dict[str, list[NodeCost]] = {name: [] for name in modules}
    for node, cost in zip(passes.plan.graph.nodes, passes.plan.costs, strict=True):
        if (owner := owner_of(node.name, modules)) is not None:
            costs[owner].append(cost)
    seconds = dict.fromkeys(modules, 0.0)
    for name, share in times.shares.items():
        if (owner := owner_of(name, modules)) is not None:
            seconds[owner] += share
    rows = []
    for name, module in modules.items():
        told = _fates(name, fates, calls)
        rows.append(
            LayerRow(
                name=name,
                kind=type(module).__name__,
                weighted=isinstance(module, WEIGHTED),
                packed=isinstance(module, BinaryLayer) and bool(told),
                reason="; ".join(told) or (COMPUTED if name in passes.trace.used else UNUSED),
                bytes_before=4 * _own_floats(module),
                bytes_after=sum(cost.constant_bytes for cost in costs[name]),
                one_bit_macs=sum(cost.one_bit_macs for cost in costs[name]),
                float_macs=sum(cost.mixed_macs + cost.float_macs for cost in costs[name]),
                time_share=seconds[name] if times.shares else None,
            )
        )
    return ExportReport(
        file=os.fspath(path),
        bytes=size,
        float_bytes=sum(row.bytes_before for row in rows),
        layers=tuple(rows),
        peak_bytes=passes.plan.peak_bytes,
        time_source=times.source,
        hints=hints(rows, size, verification.images),
        verification=verification,
    )


def _fates(name: str, fates: Mapping[str, list[str]], calls: Set[str]) -> list[str]:
    """What became of a module's own work, and of that of the functions which its forward calls."""
    found = list(fates.get(name, []))
    for path in fates:
        if path in calls and path.rpartition(".")[0] == name:
            found += fates[path]
    return list(dict.fromkeys(found))


def _own_floats(module: nn.Module) -> int:
    tensors = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    return sum(tensor.numel() for tensor in tensors if tensor.is_floating_point())


def owner_of(name: str, modules: Container[str]) -> str | None:
    """The innermost listed module that the name of a node lies in."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name if name in modules else None


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "  ".join(
            [*(cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=False))),
             row[-1]]
        ).rstrip()
        for row in rows
    ]  # fmt: skip
