"""One operation with its parameters and inputs, and the checks that the rules of the operations are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from signbit.alphabet import Alphabet
from signbit.format.graph import Blob, DType, blob_dtype
from signbit.format.layout import MAX_WINDOW
from signbit.format.rules import RuleError

Shape = tuple[int, int, int]


def fail(field: str, message: str) -> NoReturn:
    """Raise the error for a field of a node."""
    raise RuleError(message, "node", field)


class Typed(Protocol):
    """Anything that says what it holds: a value of the graph, or the result of :func:`infer`."""

    @property
    def dtype(self) -> DType: ...
    @property
    def shape(self) -> Shape: ...
    @property
    def alphabet(self) -> Alphabet | None: ...


@dataclass(frozen=True)
class Inferred:
    """Element type, shape ``(H, W, C)`` and, for bits, alphabet of an operation's output."""

    dtype: DType
    shape: Shape
    alphabet: Alphabet | None = None


@dataclass(frozen=True)
class Operation:
    """One operation with everything that it is given; ``alphabet`` is what the bits of a ``threshold`` stand for."""

    op: str
    attributes: Mapping[str, int]
    scalars: Mapping[str, float]
    blobs: Mapping[str, Blob]
    inputs: Sequence[Typed]
    alphabet: Alphabet | None

    @property
    def x(self) -> Inferred:
        """The first input."""
        return Inferred(self.inputs[0].dtype, self.inputs[0].shape, self.inputs[0].alphabet)

    def reads(self, *allowed: DType) -> None:
        """Check the element type of every input."""
        for index, value in enumerate(self.inputs):
            if value.dtype not in allowed:
                names = " or ".join(dtype.name.lower() for dtype in allowed)
                fail(f"inputs.{index}", f"{self.op} reads {names}, not {value.dtype.name.lower()}")

    def holds(self, name: str, shape: tuple[int, ...], *allowed: DType) -> None:
        """Check element type and shape of a blob, if it is there."""
        if name not in self.blobs:
            return
        blob = self.blobs[name]
        if blob_dtype(blob) not in allowed:
            names = " or ".join(dtype.name.lower() for dtype in allowed)
            fail(name, f"{name} must be {names}, not {blob_dtype(blob).name.lower()}")
        if tuple(blob.shape) != shape:
            fail(name, f"{name} has shape {list(blob.shape)}; {list(shape)} is needed")

    def attribute(self, name: str, low: int, high: int) -> int:
        """An attribute, checked to lie in a range."""
        number = self.attributes[name]
        if not low <= number <= high:
            fail(name, f"{name} is {number}; {low} .. {high} is allowed")
        return number

    def window(self) -> tuple[int, int]:
        """Output height and width of a sliding window; checks all spatial attributes."""
        extents = []
        height, width, _ = self.x.shape
        for axis, extent, before, after in (("h", height, "top", "bottom"), ("w", width, "left", "right")):
            kernel = self.attribute(f"kernel_{axis}", 1, MAX_WINDOW)
            stride = self.attribute(f"stride_{axis}", 1, MAX_WINDOW)
            dilation = self.attribute(f"dilation_{axis}", 1, MAX_WINDOW)
            pads = self.attribute(f"pad_{before}", 0, MAX_WINDOW) + self.attribute(f"pad_{after}", 0, MAX_WINDOW)
            span = dilation * (kernel - 1) + 1
            if span > extent + pads:
                fail(f"kernel_{axis}", f"the window spans {span} positions; the padded input has {extent + pads}")
            extents.append((extent + pads - span) // stride + 1)
        return extents[0], extents[1]
