"""From actions to nodes: what is pending is done in float where numbers are wanted, and becomes thresholds for bits."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from signbit.alphabet import Alphabet
from signbit.errors import ExportError
from signbit.exporter import fold
from signbit.exporter.symbol import Elementwise, Flatten, MaxPool, Pad, Pending, Subsample, Symbol
from signbit.format import Bits, DType, GraphBuilder

Key = tuple[int, tuple[Pending, ...]]


BITS_READ = (
    "a binarized tensor is read by something other than a binary layer; only BinaryConv2d and BinaryLinear "
    "compute with bits: give the real tensor to the other readers"
)


class Emitter:
    """Adds nodes to a graph, each piece of work once however many readers it has.

    Attributes
    ----------
    builder : the graph under construction.
    fates : path of a module -> what became of its pending work, in order of first occurrence.
    """

    def __init__(self) -> None:
        self.builder = GraphBuilder()
        self.fates: dict[str, list[str]] = defaultdict(list)
        self._values: dict[Key, int] = {}
        self._bits: dict[tuple[Key, Alphabet], int] = {}

    def note_fate(self, path: str, fate: str) -> None:
        """Remember what became of the work of the module at ``path``."""
        if fate not in self.fates[path]:
            self.fates[path].append(fate)

    def real(self, symbol: Symbol) -> int:
        """The value that holds ``symbol`` in float32."""
        if symbol.alphabet is not None:
            raise ExportError(BITS_READ)
        return self._real(symbol.base, symbol.pending)

    def bits(self, symbol: Symbol, alphabet: Alphabet, name: str) -> int:
        """The value that holds the binarized ``symbol``; every monotone step before the sign folds into thresholds.

        Sign and maximum may change places: the largest of some signs is the sign of the largest. So a max pool runs on
        bits where every threshold before it is a rising one, and on numbers where some channel's direction is turned.
        """
        key = ((symbol.base, symbol.pending), alphabet)
        if key not in self._bits:
            self._bits[key] = self._threshold(symbol, alphabet, name)
        return self._bits[key]

    def _threshold(self, symbol: Symbol, alphabet: Alphabet, name: str) -> int:
        pending, end = symbol.pending, len(symbol.pending)
        conditions: tuple[fold.Condition, ...] = (fold.binarizer(alphabet),)  # one number: the same for every channel
        after: list[Pending] = []
        folded: list[str] = []
        done = self._done(symbol)
        while end > done:
            item = pending[end - 1]
            if isinstance(item, Elementwise):
                if not fold.monotone(item.step):
                    break
                conditions = _before(conditions, item.step)
                folded.insert(0, item.path)
            elif isinstance(item, Subsample | Pad):
                break  # the file has these for numbers alone
            elif isinstance(item, Flatten) and len(conditions) > 1:
                break  # thresholds per position, not per channel
            elif isinstance(item, MaxPool) and not all(isinstance(c, bool) or c.rising for c in conditions):
                break
            else:
                after.append(item)
            end -= 1
        source = self._through(symbol.base, pending[:end])
        value = self.builder.value(source)
        if len(conditions) == 1:
            conditions *= value.shape[2]
        integer = value.dtype is DType.I32
        t, rising = (fold.integer_thresholds if integer else fold.float_thresholds)(conditions)
        kind = "integer thresholds" if integer else "float thresholds"
        for path in folded:
            self.note_fate(path, f"folded into {kind} of {name}")
        note = f"bits: {kind}" + (f"; {', '.join(dict.fromkeys(folded))} folded in" if folded else "")
        blobs = {"thresholds": t, "rising": Bits.pack(rising)}
        result = self.builder.node("threshold", source, blobs=blobs, alphabet=alphabet, name=name, note=note)
        for item in reversed(after):
            result = self._move(result, item, "bits")
        return result

    def _done(self, symbol: Symbol) -> int:
        """How much of the pending work of a float tensor exists already; sums are compared before any of it."""
        if self.builder.value(symbol.base).dtype is not DType.F32:
            return 0
        sizes = range(len(symbol.pending), 0, -1)
        return next((n for n in sizes if (symbol.base, symbol.pending[:n]) in self._values), 0)

    def _through(self, base: int, pending: tuple[Pending, ...]) -> int:
        """The value after ``pending``: still integer sums where nothing but pools and flattens was pending."""
        if not pending:
            return base
        key = (base, pending)
        if key not in self._values:
            self._values[key] = self._emit(base, pending)
        return self._values[key]

    def _real(self, base: int, pending: tuple[Pending, ...]) -> int:
        value = self._through(base, pending)
        if self.builder.value(value).dtype is DType.F32:
            return value
        identity = Elementwise(_identity(self.builder.value(value).shape[2]), self.builder.value(value).name)
        key = (base, (*pending, _TO_FLOAT))
        if key not in self._values:
            self._values[key] = self._affine(value, [identity], "integer sums to float")
        return self._values[key]

    def _emit(self, base: int, pending: tuple[Pending, ...]) -> int:
        *rest, last = pending
        head = tuple(rest)
        if isinstance(last, Subsample | Pad):
            return self._place(self._real(base, head), last)
        if not isinstance(last, Elementwise):
            source = self._through(base, head)
            return self._move(source, last, self.builder.value(source).dtype.name.lower())
        if isinstance(last.step, fold.Affine):
            chain = [last]
            while head and isinstance(head[-1], Elementwise) and isinstance(head[-1].step, fold.Affine):
                chain.insert(0, head[-1])
                head = head[:-1]
            return self._affine(self._through(base, head), chain, "float: multiply-add")
        source, step = self._real(base, head), last.step
        self.note_fate(last.path, "float: element by element")
        if isinstance(step, fold.Clamp):
            scalars = {"low": step.low, "high": step.high}
            return self.builder.node("clamp", source, scalars=scalars, name=last.path, note="float")
        slope = _float32(step.slope, last.path)
        return self.builder.node("prelu", source, blobs={"slope": slope}, name=last.path, note="float")

    def _affine(self, source: int, chain: list[Elementwise], note: str) -> int:
        whole: fold.Affine | None = None
        for item in chain:
            assert isinstance(item.step, fold.Affine)
            whole = item.step if whole is None else whole.then(item.step)
            self.note_fate(item.path, f"{note} per channel")
        assert whole is not None
        path = chain[-1].path
        blobs = {"scale": _float32(whole.scale, path), "shift": _float32(whole.shift, path)}
        return self.builder.node("affine", source, blobs=blobs, name=path, note=note)

    def _place(self, source: int, item: Subsample | Pad) -> int:
        self.note_fate(item.path, "float")
        if isinstance(item, Subsample):
            strides = {"stride_h": item.stride_h, "stride_w": item.stride_w}
            return self.builder.node("subsample", source, attributes=strides, name=item.path, note="float")
        channels = self.builder.value(source).shape[2]
        sides = dict(zip(("pad_top", "pad_left", "pad_bottom", "pad_right"), item.sides, strict=True))
        ones = {"weight": np.ones((channels, 1, 1, 1), np.float32)}
        attributes = {**sides, "groups": channels}
        return self.builder.node(
            "conv2d", source, attributes=attributes, blobs=ones, name=item.path, note="float: pads"
        )

    def _move(self, source: int, item: Pending, note: str) -> int:
        assert isinstance(item, Flatten | MaxPool)
        self.note_fate(item.path, f"on {note}")
        if isinstance(item, Flatten):
            return self.builder.node("flatten", source, name=item.path, note=note)
        return self.builder.node("max_pool2d", source, attributes=item.attributes, name=item.path, note=note)


_TO_FLOAT = Flatten("")
"""Marks a sum's float copy in the table of values."""


def _identity(channels: int) -> fold.Affine:
    return fold.Affine(fold.exact(np.ones(channels)), fold.exact(np.zeros(channels)))


def _before(conditions: tuple[fold.Condition, ...], step: fold.Step) -> tuple[fold.Condition, ...]:
    if not isinstance(step, fold.Clamp) and len(conditions) == 1:
        conditions *= len(step.scale if isinstance(step, fold.Affine) else step.slope)
    return tuple(fold.before(condition, step, channel) for channel, condition in enumerate(conditions))


def _float32(numbers: fold.Rationals, path: str) -> npt.NDArray[np.float32]:
    values = np.array([float(number) for number in numbers])
    if np.abs(values).max() > np.finfo(np.float32).max:
        raise ExportError(f"{path}: a folded scale or shift is {np.abs(values).max():.3g}, too large for float32")
    return values.astype(np.float32)
