"""Random networks in which every float is exact, so that results can be compared bit for bit, whatever is fused.

Inputs and parameters are small integers times powers of two. Each value's quantum (what all its numbers are multiples
of) and bound (of their absolute values) are known; an operation is taken only while bound / quantum stays below 2^24,
so every order of summation gives the same float32. ``sigmoid`` and ``layer_norm`` cannot be exact and are left out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from signbit.alphabet import Alphabet
from signbit.format import OPS, Bits, Blob, DType, Graph, GraphBuilder

CHANNELS = (1, 2, 3, 8, 16, 31, 32, 33, 63, 64, 65, 127, 128, 129)
EXTENTS = (1, 2, 3, 4, 7, 9, 14)
EXACT = 2**24
OPERATIONS = sorted(set(OPS) - {"sigmoid", "layer_norm"})


class Grid(NamedTuple):
    """All numbers of a value are multiples of ``quantum`` and at most ``bound`` in absolute value."""

    quantum: float
    bound: float

    @property
    def exact(self) -> bool:
        """Sums of such numbers that stay within the bound are exact in float32."""
        return self.bound / self.quantum < EXACT


class ExactGraph:
    """Builds one network; ``attempt`` adds an operation where it applies and stays exact."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.builder = GraphBuilder()
        shape = (self._any(EXTENTS), self._any(EXTENTS), self._any(CHANNELS))
        self.grids = {self.builder.input(shape): Grid(1.0, 4.0)}

    def attempt(self, op: str, x: int) -> int | None:
        """The value that ``op`` computes from value ``x``, or None where it cannot be had."""
        value, grid = self.builder.value(x), self.grids[x]
        real, height, width, channels = value.dtype is DType.F32, *value.shape
        attributes: dict[str, int] = {}
        blobs: dict[str, Blob] = {}
        scalars: dict[str, float] = {}
        inputs, alphabet = (x,), Alphabet(self._any((1, 2)))
        if op in ("conv2d", "binary_conv2d"):
            if value.dtype is not (DType.F32 if op == "conv2d" else DType.BITS):
                return None
            groups = self._any([g for g in (1, 1, 1, 2, 4, channels) if channels % g == 0])
            attributes = {**self._window(height, width, pool=False), "groups": groups}
            depth = channels // groups
            filters = groups * (self._any((1, 2)) if groups == channels > 1 else -(-self._any(CHANNELS) // groups))
            shape = (filters, attributes["kernel_h"], attributes["kernel_w"], depth)
            blobs["weight"] = self._bits(*shape)
            grid = Grid(grid.quantum, grid.bound * shape[1] * shape[2] * depth)
            if op == "binary_conv2d":
                attributes["pad_value"] = self._any((-1, 0, 1) if value.alphabet is Alphabet.PM1 else (0, 1))
            else:
                if self.rng.integers(2):
                    blobs["weight"] = self._whole(2, *shape)
                    grid = Grid(grid.quantum, 2 * grid.bound)
                if self.rng.integers(2):
                    blobs["bias"] = np.float32(grid.quantum) * self._whole(3, filters)
                    grid = Grid(grid.quantum, grid.bound + 3 * grid.quantum)
        elif op == "threshold":
            if value.dtype is DType.BITS:
                return None
            span = int(min(grid.bound / grid.quantum, 9))
            thresholds = grid.quantum * self.rng.integers(-span, span + 1, channels)
            constant = self.rng.integers(0, 8, channels) == 0
            thresholds[constant] = -np.inf if real else np.iinfo(np.int32).min
            blobs = {"thresholds": thresholds.astype(np.float32 if real else np.int32), "rising": self._bits(channels)}
            grid = Grid(1.0, 1.0)
        elif op == "affine":
            if value.dtype is DType.BITS:
                return None
            scale = np.float32(2.0) ** self.rng.integers(-3, 2, channels) * self.rng.choice((-1, 1), channels)
            quantum = grid.quantum / 8
            blobs = {
                "scale": scale.astype(np.float32),
                "shift": (quantum * self.rng.integers(-40, 41, channels)).astype(np.float32),
            }
            grid = Grid(quantum, 2 * grid.bound + 40 * quantum)
        elif op == "max_pool2d":
            attributes = self._window(height, width, pool=True)
        elif op == "flatten":
            if height * width * channels > 2048:
                return None
        elif not real:
            return None
        elif op == "avg_pool2d":
            attributes = {**self._window(height, width, pool=True), "count_include_pad": 1}
            taps = attributes["kernel_h"] * attributes["kernel_w"]
            if taps & (taps - 1) or grid.bound * taps / grid.quantum >= EXACT:
                return None
            grid = Grid(grid.quantum / taps, grid.bound)
        elif op in ("add", "mul"):
            shapes = (value.shape, (1, 1, channels))
            known = [(v, self.builder.value(v)) for v in self.grids]
            others = [v for v, other in known if other.dtype is DType.F32 and other.shape in shapes]
            inputs = (x, self._any(others))
            other = self.grids[inputs[1]]
            if op == "add":
                grid = Grid(min(grid.quantum, other.quantum), grid.bound + other.bound)
            else:
                grid = Grid(grid.quantum * other.quantum, grid.bound * other.bound)
        elif op == "clamp":
            low = grid.quantum * self._any((-8, -1, 0))
            high = float(np.inf) if self.rng.integers(2) else low + 8 * grid.quantum
            scalars = {"low": low, "high": high}
            grid = Grid(grid.quantum, max(grid.bound, abs(low)))
        elif op == "prelu":
            blobs = {"slope": np.float32(2.0) ** self.rng.integers(-2, 1, channels).astype(np.float32)}
            grid = Grid(grid.quantum / 4, grid.bound)
        elif op == "subsample":
            attributes = {"stride_h": self._any((1, 2)), "stride_w": self._any((1, 2, 3))}
        elif op == "pad_channels":
            attributes = {"before": self._any((0, 1, 2)), "after": self._any((0, 1, 5))}
        if not grid.exact:
            return None
        added = self.builder.node(
            op, *inputs, attributes=attributes, blobs=blobs, scalars=scalars, alphabet=alphabet, name=f"{op}.{x}"
        )
        self.grids[added] = grid
        return added

    def _any(self, choices: tuple[int, ...] | list[int]) -> int:
        return int(self.rng.choice(choices))

    def _bits(self, *shape: int) -> Bits:
        return Bits.pack(self.rng.integers(0, 2, shape))

    def _whole(self, most: int, *shape: int) -> np.ndarray:
        return self.rng.integers(-most, most + 1, shape).astype(np.float32)

    def _window(self, height: int, width: int, pool: bool) -> dict[str, int]:
        """Kernel, stride, dilation and pads that fit the image."""
        found: dict[str, int] = {}
        for axis, extent, sides in (("h", height, ("top", "bottom")), ("w", width, ("left", "right"))):
            kernel, dilation = self._any((1, 2, 3, 3)), 1 if pool else self._any((1, 1, 2))
            pads = [self._any((0, 1)) if kernel > 1 else 0 for _ in sides]
            if dilation * (kernel - 1) + 1 > extent + sum(pads):
                kernel, dilation, pads = 1, 1, [0, 0]
            found |= {f"kernel_{axis}": kernel, f"stride_{axis}": self._any((1, 1, 2))}
            found |= {} if pool else {f"dilation_{axis}": dilation}
            found |= {f"pad_{side}": pad for side, pad in zip(sides, pads, strict=True)}
        return found


NEXT = {DType.F32: "threshold", DType.I32: "affine", DType.BITS: "binary_conv2d"}
"""What always applies to a value, and stays exact."""


def exact_graph(seed: int) -> tuple[Graph, dict[int, Grid]]:
    """A network of 2 to 14 operations, the same for the same seed, and the grid of each value."""
    network = ExactGraph(seed)
    last = 0
    for _ in range(int(network.rng.integers(2, 12))):
        # Half of the time go on as binary networks do: threshold, binary convolution, affine.
        usual = NEXT[network.builder.value(last).dtype]
        op = usual if network.rng.integers(2) else str(network.rng.choice(OPERATIONS))
        last = network.attempt(op, last) or network.attempt(usual, last) or last
    while network.builder.value(last).dtype is not DType.F32:
        added = network.attempt(NEXT[network.builder.value(last).dtype], last)
        assert added is not None
        last = added
    return network.builder.graph(last, {"seed": seed}), network.grids


def exact_input(graph: Graph, seed: int, count: int) -> np.ndarray:
    """Whole numbers from -4 to 4, zeros of both signs among them, ``[N, C, H, W]``."""
    height, width, channels = graph.values[graph.input].shape
    rng = np.random.default_rng(seed)
    x = rng.integers(-4, 5, (count, channels, height, width)).astype(np.float32)
    x[(x == 0) & (rng.random(x.shape) < 0.5)] = -0.0
    return x
