"""Running a ``.sbn`` file. This is the only face of the runtime; the engines behind it are chosen by name."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from types import TracebackType
from typing import Any, NoReturn, final

import numpy as np
import numpy.typing as npt

from signbit.errors import ConfigError, ShapeError, SignbitError
from signbit.format import DType, Graph, read_bytes
from signbit.format.reader import read_file
from signbit.runtime import reference
from signbit.runtime.ceilings import ceiling
from signbit.runtime.forks import fork_safe_lock
from signbit.runtime.isa import REFERENCE, choose_isa, native
from signbit.runtime.layer_time import LayerTime

MAX_THREADS = 256

FloatArray = npt.NDArray[np.float32]
Shape = tuple[int, int, int]


class Engine(ABC):
    """Something that runs one network; shapes are ``(C, H, W)``."""

    input_shape: Shape
    output_shape: Shape
    memory_bytes: int

    @abstractmethod
    def run(self, x: FloatArray) -> FloatArray:
        """``[N, C, H, W]`` -> ``[N, C, H, W]``."""

    @abstractmethod
    def profile(self, x: FloatArray) -> list[LayerTime]:
        """The cost of each step, in execution order."""


@final
class _NativeEngine(Engine):
    def __init__(self, data: bytes, isa: str, threads: int) -> None:
        self._program = native().Program(data, isa, threads)
        self.input_shape, self.output_shape = tuple(self._program.input_shape), tuple(self._program.output_shape)
        self.memory_bytes = self._program.memory_bytes

    def run(self, x: FloatArray) -> FloatArray:
        output: FloatArray = self._program.run(x)
        return output

    def profile(self, x: FloatArray) -> list[LayerTime]:
        rows = self._program.profile(x)
        limit = self._program.threads * ceiling(self._program.isa)
        return [
            LayerTime(name, op, seconds, macs, limit if "binary_conv2d" in op else None)
            for name, op, seconds, macs in rows
        ]


@final
class _ReferenceEngine(Engine):
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.input_shape, self.output_shape = (
            (channels, height, width)
            for height, width, channels in (graph.values[graph.input].shape, graph.values[graph.output].shape)
        )
        sizes = {DType.BITS: 1}  # octets of an element; other types take four
        self.memory_bytes = sum(int(np.prod(v.shape)) * sizes.get(v.dtype, 4) for v in graph.values)

    def run(self, x: FloatArray) -> FloatArray:
        return reference.run(self._graph, x)

    def profile(self, x: FloatArray) -> list[LayerTime]:
        values = reference.run_all(self._graph, x)
        times = []
        for node in self._graph.nodes:
            start = time.perf_counter()
            reference.compute(self._graph, node, [values[index] for index in node.inputs])
            seconds = time.perf_counter() - start
            times.append(LayerTime(node.name, node.op, seconds, len(x) * reference.macs(self._graph, node)))
        return times


@final
class Session:
    """A network loaded from a ``.sbn`` file, ready to run.

    Parameters
    ----------
    model : path of a ``.sbn`` file, or its bytes.
    threads : number of threads, 1 .. 256; default: the environment's ``SIGNBIT_NUM_THREADS``, or 1. Integer results are
        the same for every number.
    isa : a name from :func:`signbit.runtime.available_isas`; default: the environment's ``SIGNBIT_ISA``, or the
        fastest tier. ``"reference"`` is the slow numpy executor.

    Errors
    ------
    FormatError : the file is malformed; carries the byte offset.
    DataError : the file cannot be opened.
    UnusableIsaError : no such tier, or not on this CPU.
    ConfigError : ``threads`` is not a number from 1 to 256.

    A session may be used from several threads: runs take turns, without the GIL. A child made by a fork can use it as
    well (the fork waits for a run under way); other processes open the file again.

    >>> from signbit.format import GraphBuilder, write_bytes
    >>> builder = GraphBuilder()
    >>> model = write_bytes(builder.graph(builder.node("flatten", builder.input((2, 2, 1)))))
    >>> with Session(model, isa="reference") as session:
    ...     session.run(np.ones((3, 1, 2, 2), np.float32)).shape
    (3, 4)
    """

    def __init__(
        self, model: str | os.PathLike[str] | bytes, threads: int | None = None, isa: str | None = None
    ) -> None:
        self.threads = _choose_threads(threads)
        self.isa = choose_isa(isa)
        self._data = bytes(model) if isinstance(model, (bytes, bytearray, memoryview)) else read_file(model)
        self._lock = fork_safe_lock()
        self._engine: Engine | None = (
            _ReferenceEngine(self.graph) if self.isa == REFERENCE else _NativeEngine(self._data, self.isa, self.threads)
        )
        self.input_shape: Shape = self._engine.input_shape
        """``(C, H, W)`` of one input image."""
        self.output_shape: Shape = self._engine.output_shape
        """``(C, H, W)`` of one output; ``(classes, 1, 1)`` for a classifier."""
        self.memory_bytes: int = self._engine.memory_bytes
        """Most that the values of one image take at once; weights and working memory of the kernels not counted."""

    @cached_property
    def graph(self) -> Graph:
        """The network as :class:`signbit.format.Graph`; read at the first use."""
        return read_bytes(self._data)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The file's metadata: ``labels``, ``input`` and whatever else the producer stored."""
        return self.graph.metadata

    def run(self, x: npt.ArrayLike) -> FloatArray:
        """Run a batch.

        Parameters
        ----------
        x : float images ``[N, C, H, W]`` with any N, normalised as in training; other floats become float32.

        Returns
        -------
        float32 ``[N, classes]`` where the output is a vector, otherwise ``[N, C, H, W]``.

        Errors
        ------
        ShapeError : wrong shape or element type.
        SignbitError : the session is closed.
        """
        batch = self._checked(x)
        with self._lock:
            output = self._open().run(batch)
        return output[:, :, 0, 0] if self.output_shape[1:] == (1, 1) else output

    def profile(self, x: npt.ArrayLike) -> list[LayerTime]:
        """Wall-clock time of each step for one run of ``x``, in execution order; errors as in :meth:`run`.

        The first profile of a tier in a process measures the tier's ceiling too: tenths of a second.
        """
        batch = self._checked(x)
        with self._lock:
            return self._open().profile(batch)

    def close(self) -> None:
        """Give back the network's memory, after a run under way in another thread; later runs are an error.

        Closing twice is fine. What was read from the file (``metadata``, ``graph``, the shapes) stays.
        """
        with self._lock:
            self._engine = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Session cannot be pickled or copied: it holds compiled code's memory; "
            "give the other process the file's path or bytes and open a Session there"
        )

    def __repr__(self) -> str:
        shapes = f"{list(self.input_shape)} -> {list(self.output_shape)}"
        return f"Session({shapes}, isa={self.isa!r}, threads={self.threads})"

    def _open(self) -> Engine:
        if self._engine is None:
            raise SignbitError("this session is closed; open a new one")
        return self._engine

    def _checked(self, x: npt.ArrayLike) -> FloatArray:
        """The batch as an aligned C-contiguous float32 array of the right shape."""
        array = np.asarray(x)
        if array.dtype.kind != "f" or array.shape[1:] != self.input_shape:
            raise ShapeError(self._refusal(array))
        if array.dtype == np.float32 and array.flags.c_contiguous and array.flags.aligned:
            return array  # what comes below takes microseconds, and small networks run in hundreds of them
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, as it would in torch
            return np.require(array, np.float32, ["C", "A"])

    def _refusal(self, array: npt.NDArray[Any]) -> str:
        """What is wrong with this batch, and what to do about it."""
        channels, height, width = self.input_shape
        expected = f"this network reads float32 [N, {channels}, {height}, {width}]"
        if array.dtype.kind != "f":
            return (
                f"{expected}, not {array.dtype}; scale pixels to floats and normalise them as in training "
                "(signbit.runtime.preprocess.prepare does it)"
            )
        hint = "; add the batch axis: x[None]" if array.shape == self.input_shape else ""
        if array.ndim == 4 and array.shape[1:] == (height, width, channels):
            hint = "; move the channels forward: x.transpose(0, 3, 1, 2)"
        return f"{expected}, not {list(array.shape)}{hint}"


def _choose_threads(threads: int | None) -> int:
    source, given = "threads", threads
    if threads is None:
        text = os.environ.get("SIGNBIT_NUM_THREADS") or "1"
        source, given = "SIGNBIT_NUM_THREADS", int(text) if text.isascii() and text.isdigit() else None
        if given is None:
            raise ConfigError(f"SIGNBIT_NUM_THREADS is {text!r}; a whole number from 1 to {MAX_THREADS} is needed")
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or not 1 <= given <= MAX_THREADS:
        raise ConfigError(f"{source} is {given!r}; a whole number from 1 to {MAX_THREADS} is needed")
    return int(given)
