"""Pass 2, fold: constants are computed, norms and scales become exact steps that wait for what reads them.

A batch norm goes into the weights of the product before it; every other function of each number by itself stays
pending on its tensor, as an exact step, until it is known whether bits or numbers are wanted of it (pass 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from signbit.errors import ExportError
from signbit.exporter.aliases import overwrites
from signbit.exporter.counterparts import BITS_PASS, COUNTERPARTS, refusal
from signbit.exporter.emit import BITS_READ
from signbit.exporter.record import Action, Recorder, pending_text
from signbit.exporter.reshapes import BATCH, BatchSize, reshape, size
from signbit.exporter.symbol import Symbol
from signbit.exporter.trace import Call, Trace, evaluating, located
from signbit.exporter.windows import part_of


@dataclass(frozen=True, eq=False)
class Folded:
    """A network in operations of the file.

    Attributes
    ----------
    image_shape : height, width, channels of the input.
    actions : in order; the n-th gives what :attr:`Symbol.base` n stands for.
    output : the result.
    fates : path of a module -> what became of its work so far.
    """

    image_shape: tuple[int, int, int]
    actions: tuple[Action, ...]
    output: Symbol
    fates: Mapping[str, list[str]]

    def lines(self) -> list[str]:
        """One line an action: what it reads, and what is pending on that."""
        rows = ["%0 = the images"]
        for number, action in enumerate(self.actions, 1):
            reads = ", ".join(map(pending_text, action.inputs))
            kind = "" if action.alphabet is None else f" as bits {action.alphabet.name}"
            rows.append(f"%{number} = {action.op}({reads}{kind})  [{action.call.where}] {action.note}")
        return [*rows, f"output: {pending_text(self.output)}"]


def fold(trace: Trace, model: nn.Module) -> Folded:
    """Read the operations of a trace one after the other.

    Errors
    ------
    ExportError : names the module or operation that has no counterpart in the file, where it stands in the user's
        source, and what to use instead.
    """
    if trace.output is None:
        raise ExportError(f"the network returns {trace.result_type}; one tensor is needed: wrap it and return that")
    _, channels, height, width = trace.input.meta["val"].shape
    record = Recorder(model, trace.calls)
    record.known.update(trace.constants)
    record.known[trace.input] = Symbol(0, (height, width, channels))
    with evaluating(model):
        for call in trace.calls:
            with located(call):
                record.known[call.node] = _read(call, record)
    result = record.known[trace.output]
    if not isinstance(result, Symbol):
        raise ExportError("the network returns a constant; its result has to depend on the images")
    if result.order is not None:
        raise ExportError("the network ends in a flattened image; return the image itself")
    if result.alphabet is not None:
        raise ExportError(BITS_READ)
    return Folded((height, width, channels), tuple(record.actions), result, record.fates)


def _read(call: Call, record: Recorder) -> Any:
    args, kwargs = record.arguments(call)
    given = _flat((*args, *kwargs.values()))
    symbols = [value for value in given if isinstance(value, Symbol)]
    if not symbols:
        if any(isinstance(value, BatchSize) for value in given):
            return BATCH
        if call.in_place:  # on a constant of the model, which must stay as it is
            args = tuple(value.clone() if isinstance(value, Tensor) else value for value in args)
        assert callable(call.node.target)
        return call.node.target(*args, **kwargs)
    if call.node in record.absorbed:
        return symbols[0]
    if call.op not in COUNTERPARTS:
        raise ExportError(refusal(call))
    rule = COUNTERPARTS[call.op]
    if any(x.rank == 3 for x in symbols) and rule not in (reshape, size, part_of):
        raise ExportError("reads [N, C, 1]; make it an image first: v[:, :, None, None]")
    if any(x.alphabet is not None for x in symbols) and call.op not in BITS_PASS:
        raise ExportError(f"{call.kind} reads a binarized tensor; put it before the binarizer")
    value = call.node.meta.get("val")
    if isinstance(value, Tensor) and value.dtype != torch.float32:
        raise ExportError(f"{call.kind} gives {str(value.dtype).removeprefix('torch.')}; the file computes in float32")
    if call.in_place and overwrites(call, record.calls):
        raise ExportError(
            "writes into a tensor that is read again under another name; make a new one: y = F.relu(x), or torch.cat "
            "of parts"
        )
    try:
        return rule(call, record, *args, **kwargs)
    except TypeError as error:
        raise ExportError(f"{call.kind} with these settings has no counterpart in the .sbn file: {error}") from error


def _flat(values: Any) -> list[Any]:
    if isinstance(values, list | tuple):
        return [leaf for value in values for leaf in _flat(value)]
    return [values]
