"""One node of an ONNX model as its rule sees it: what is known about its inputs, and how it refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from signbit.errors import ExportError
from signbit.exporter import fold
from signbit.exporter.emit import Emitter
from signbit.exporter.symbol import Symbol
from signbit.format import Bits

Array = npt.NDArray[Any]

BITS_AS_NUMBERS = "bits as numbers, for a reader that computes with those"
"""The note of a node that is no layer of the model."""


@dataclass(frozen=True)
class Border:
    """Pixels around an image that wait for the convolution which reads it.

    Attributes
    ----------
    sides : how many at the top, left, bottom and right.
    value : the number that they hold.
    """

    sides: tuple[int, int, int, int]
    value: float


@dataclass(frozen=True, eq=False)
class Tensor:
    """What a name of the model stands for, where it depends on the image.

    Attributes
    ----------
    symbol : the network's value and the work still to be done on it; with an alphabet once it is quantized to one bit.
    scale : what the numbers of that alphabet are multiplied by.
    channels_last : whether ONNX sees ``[N, H, W, C]``.
    border : from a Pad.
    """

    symbol: Symbol
    scale: float = 1.0
    channels_last: bool = False
    border: Border | None = None

    @property
    def features(self) -> tuple[int, ...]:
        """The extents that ONNX sees, but for the number of images."""
        height, width, channels = self.symbol.shape
        if self.symbol.vector:
            return (channels,)
        return (height, width, channels) if self.channels_last else (channels, height, width)


@dataclass(frozen=True, eq=False)
class Call:
    """One node.

    Attributes
    ----------
    where : the node's name, or the name of what it computes.
    op : its operator.
    attributes : as they stand in the model.
    inputs : tensors, constants, and None for what was left out.
    emit : makes nodes of the ``.sbn`` graph.
    """

    where: str
    op: str
    attributes: Mapping[str, Any]
    inputs: Sequence[Tensor | Array | None]
    emit: Emitter

    def refusal(self, why: str, instead: str) -> ExportError:
        """The error that names this node."""
        return ExportError(f"{self.where} ({self.op}): {why}; {instead}")

    def require(self, met: bool, why: str, instead: str) -> None:
        """An error that names this node, unless ``met``."""
        if not met:
            raise self.refusal(why, instead)

    def given(self, index: int) -> bool:
        """Whether there is such an input."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def constant(self, index: int) -> Array:
        """An input that must not depend on the image."""
        value = self.inputs[index] if self.given(index) else None
        if isinstance(value, np.ndarray):
            return value
        missing = "is missing" if value is None else "depends on the image"
        raise self.refusal(f"input {index} {missing}", "it has to be a constant of the model")

    def numbers(self, index: int) -> Array:
        """A constant input in float64; its numbers must be finite."""
        values = self.constant(index).astype(np.float64)
        self.require(bool(np.isfinite(values).all()), f"input {index} holds NaN or infinity", "train it again")
        return values

    def tensor(self, index: int = 0) -> Tensor:
        """An input that depends on the image, as the node before left it."""
        value = self.inputs[index] if self.given(index) else None
        if isinstance(value, Tensor):
            return value
        raise self.refusal(
            f"input {index} is not a tensor that depends on the image", "give the image's side as that input"
        )

    def plain(self, index: int = 0) -> Tensor:
        """An input without a border."""
        x = self.tensor(index)
        self.require(x.border is None, "reads what a Pad has made", "only a Conv can read that; use its own pads")
        return x

    def image(self, index: int = 0) -> Tensor:
        """An input ``[N, C, H, W]`` without a border."""
        x = self.plain(index)
        self.require(not x.symbol.vector, "reads [N, C]", "an image [N, C, H, W] is needed")
        self.require(not x.channels_last, "reads [N, H, W, C]", "an image [N, C, H, W] is needed: drop the Transpose")
        return x

    def real(self, x: Tensor) -> Symbol:
        """``x`` as real numbers. Bits become numbers in a convolution of one tap a channel, whose weight is +1."""
        symbol = x.symbol
        if symbol.alphabet is None:
            return symbol
        channels = symbol.shape[2]
        bits = self.emit.bits(replace(symbol, alphabet=None), symbol.alphabet, f"{self.where}.bits")
        node = self.emit.builder.node(
            "binary_conv2d",
            bits,
            attributes={"groups": channels},
            blobs={"weight": Bits.pack(np.ones((channels, 1, 1, 1)))},
            name=f"{self.where}.numbers",
            note=BITS_AS_NUMBERS,
        )
        scale = fold.Affine(fold.exact(np.full(channels, x.scale)), fold.exact(np.zeros(channels)))
        return replace(symbol, base=node, pending=(), alphabet=None).then(scale, self.where)

    def per_channel(self, x: Tensor, values: Array) -> Array:
        """Constants that meet ``x`` element by element: one for each of its channels, in the file's order."""
        features = x.features
        channel = len(features) - 1 if x.channels_last or x.symbol.vector else 0
        extents = np.shape(values)[-len(features) :] if values.ndim else ()
        extents = (1,) * (len(features) - len(extents)) + tuple(extents)
        others = [extent for axis, extent in enumerate(extents) if axis != channel]
        whole = values.size == np.prod(extents) and extents[channel] in (1, features[channel])
        self.require(
            whole and all(extent == 1 for extent in others),
            f"a constant of shape {list(values.shape)} meets {['N', *features]}",
            "one number, or one for each channel, is what a .sbn file holds",
        )
        return self.arranged(x, np.broadcast_to(values.reshape(-1), (features[channel],)))

    def arranged(self, x: Tensor, values: Array) -> Array:
        """One constant for each channel of ``x``, in the file's order."""
        channels = x.symbol.shape[2]
        self.require(values.shape == (channels,), f"{list(values.shape)} constants, {channels} channels", "one each")
        return x.symbol.arranged(values)
