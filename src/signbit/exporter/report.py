"""What an export did: every layer packed or float and why, sizes, and the difference that was measured."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from torch import nn

from signbit.exporter.lower import Lowered
from signbit.exporter.verify import ROUNDING, Verification
from signbit.format import Bits, Node
from signbit.layers import BinaryLayer

WEIGHTED = (BinaryLayer, nn.Conv2d, nn.Linear)
"""The layers that are counted as packed or float; norms and the like are listed but not counted."""


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
    """

    name: str
    kind: str
    weighted: bool
    packed: bool
    reason: str
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True)
class ExportReport:
    """The result of :func:`signbit.export`; ``str()`` of it is a table.

    Attributes
    ----------
    file : the file that was written.
    bytes : its size.
    float_bytes : parameters and statistics of the model as float32.
    layers : one row per module with parameters, in the model's order.
    verification : the measured difference from the torch model.
    """

    file: str
    bytes: int
    float_bytes: int
    layers: tuple[LayerRow, ...]
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
            "verification": vars(self.verification),
            "layers": [vars(row) for row in self.layers],
        }

    def __str__(self) -> str:
        check = self.verification
        rows = [("layer", "kind", "before", "after", "")]
        rows += [(r.name, r.kind, f"{r.bytes_before:,}", f"{r.bytes_after:,}", r.reason) for r in self.layers]
        return "\n".join(
            [
                *_table(rows),
                "",
                f"{self.file}: {self.bytes:,} bytes, {self.float_bytes / self.bytes:.1f} times smaller than "
                f"{self.float_bytes:,} bytes of float32; {self.packed_layers} layers packed, {self.float_layers} float",
                f"verified on {check.images} image(s) with {check.engine}: largest difference {check.max_abs_diff:.3g} "
                f"(outputs span {check.output_range:.3g}), argmax agreement {check.argmax_agreement:.2%}, "
                f"{check.flipped_images} image(s) beyond {ROUNDING:g} of the span",
            ]
        )


def make_report(
    path: str | os.PathLike[str], size: int, model: nn.Module, lowered: Lowered, verification: Verification
) -> ExportReport:
    """Put together what lowering and verifying found.

    Parameters
    ----------
    size : bytes of the file.
    """
    modules = {name: module for name, module in model.named_modules() if _own_floats(module)}
    calls = lowered.fates.keys() - dict(model.named_modules()).keys()
    after = _bytes_by_module(lowered.graph.nodes, modules)
    rows = []
    for name, module in modules.items():
        fates = _fates(name, lowered.fates, calls)
        packed = isinstance(module, BinaryLayer) and bool(fates)
        reason = "; ".join(fates) or "not used by the network"
        weighted = isinstance(module, WEIGHTED)
        rows.append(
            LayerRow(name, type(module).__name__, weighted, packed, reason, 4 * _own_floats(module), after[name])
        )
    return ExportReport(os.fspath(path), size, sum(row.bytes_before for row in rows), tuple(rows), verification)


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


def _bytes_by_module(nodes: Sequence[Node], modules: Mapping[str, nn.Module]) -> dict[str, int]:
    """Constants of the nodes, each counted for the innermost listed module that its name lies in."""
    total = dict.fromkeys(modules, 0)
    for node in nodes:
        name = node.name
        while name and name not in total:
            name = name.rpartition(".")[0]
        if name:
            total[name] += sum(b.octets.nbytes if isinstance(b, Bits) else b.nbytes for b in node.blobs.values())
    return total


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {before:>{widths[2]}}  {after:>{widths[3]}}  {reason}".rstrip()
        for name, kind, before, after, reason in rows
    ]
