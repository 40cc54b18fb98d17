"""What a network computes, in operations of the file whose inputs may still have work pending on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import fx, nn

from signbit.alphabet import Alphabet
from signbit.errors import ExportError
from signbit.exporter import fold
from signbit.exporter.emit import BITS_READ
from signbit.exporter.symbol import Elementwise, Order, Symbol
from signbit.exporter.trace import Call
from signbit.format import Blob

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Action:
    """One operation of the file.

    Attributes
    ----------
    call : the operation of the trace that it came from.
    op, attributes, scalars, blobs, note : as in the file; the name is ``call.where``.
    inputs : what it reads.
    alphabet : the bits that it reads; None for real numbers.
    """

    call: Call
    op: str
    inputs: tuple[Symbol, ...]
    alphabet: Alphabet | None = None
    attributes: Mapping[str, int] = field(default_factory=dict)
    scalars: Mapping[str, float] = field(default_factory=dict)
    blobs: Mapping[str, Blob] = field(default_factory=dict)
    note: str = ""


class Recorder:
    """Takes down actions in order, and what became of every module's work.

    Attributes
    ----------
    model : the network.
    calls : what torch does at each node of the trace.
    known : what is known of each node so far: a symbol, a tuple of them, a constant.
    absorbed : nodes whose work an earlier action does.
    fates : path of a module -> what became of its work, in order of first occurrence.
    """

    def __init__(self, model: nn.Module, calls: Iterable[Call]) -> None:
        self.modules = dict(model.named_modules())
        self.calls = {call.node: call for call in calls}
        self.known: dict[fx.Node, object] = {}
        self.absorbed: set[fx.Node] = set()
        self.actions: list[Action] = []
        self.fates: dict[str, list[str]] = defaultdict(list)

    def note_fate(self, path: str, fate: str) -> None:
        """Remember what became of the work of the module at ``path``."""
        if fate not in self.fates[path]:
            self.fates[path].append(fate)

    def arguments(self, call: Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What is known of everything that an operation of the trace reads; None for what comes later."""

        def known(part: Any) -> Any:
            return fx.node.map_arg(part, self.known.get)  # type: ignore[arg-type]

        return known(call.node.args), known(call.node.kwargs)

    def add(
        self,
        call: Call,
        op: str,
        *inputs: Symbol,
        shape: tuple[int, int, int],
        rank: int = 4,
        order: Order | None = None,
        alphabet: Alphabet | None = None,
        attributes: Mapping[str, int] | None = None,
        scalars: Mapping[str, float] | None = None,
        blobs: Mapping[str, Blob] | None = None,
        note: str = "float",
    ) -> Symbol:
        """Record an action; returns its result, ``shape`` high, wide and deep.

        Errors
        ------
        ExportError : it computes with numbers, and an input is binarized.
        """
        if alphabet is None and any(x.alphabet is not None for x in inputs):
            raise ExportError(BITS_READ)
        action = Action(call, op, inputs, alphabet, attributes or {}, scalars or {}, blobs or {}, note)
        self.actions.append(action)
        return Symbol(len(self.actions), shape, rank=rank, order=order)


def array(values: torch.Tensor | float) -> Array:
    """Constants of a network, which must be finite."""
    numbers: Array = torch.as_tensor(values).detach().to("cpu", torch.float64).numpy()
    if not np.isfinite(numbers).all():
        raise ExportError("holds NaN or infinity; a network that did not train well cannot be exported")
    return numbers


def affine(x: Symbol, scale: Array, shift: Array, path: str) -> Symbol:
    """``scale * x + shift`` with torch's per-channel numbers."""
    return x.then(fold.Affine(fold.exact(x.arranged(scale)), fold.exact(x.arranged(shift))), path)


def pending_text(x: Symbol) -> str:
    """What is still to be done on a tensor, for people."""
    parts = [
        f"{type(item.step if isinstance(item, Elementwise) else item).__name__.lower()} {item.path}".rstrip()
        for item in x.pending
    ]
    return f"%{x.base}" + (f" through {', '.join(parts)}" if parts else "")
