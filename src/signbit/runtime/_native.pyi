"""The native core. Users take :class:`signbit.runtime.Session`; this module checks less and explains less."""

import numpy as np
import numpy.typing as npt

def isa_tiers() -> list[tuple[str, bool, str]]:
    """Name, whether this CPU can run it, description; best first."""

def ceilings(isa: str) -> list[tuple[str, float]]:
    """Ways that a tier has of counting one-bit products, and 10^9 of them a second on one core, measured now.

    Errors
    ------
    UnusableIsaError : ``isa`` is unknown or this CPU cannot run it.
    """

def constants() -> dict[str, int]:
    """The conventions of ``native/src/base/alphabet.h`` and of the file format, for comparison."""

def version() -> str:
    """The version that this module was built as."""

class Program:
    """A network ready to run.

    Parameters
    ----------
    data : a whole ``.sbn`` file; not kept.
    isa : a name of :func:`isa_tiers`; default: the best that this CPU can run.
    threads : 1 .. 256; default 1.

    Errors
    ------
    FormatError : the file breaks a rule of ``docs/format.md``.
    UnusableIsaError : ``isa`` is unknown or this CPU cannot run it.
    ConfigError : ``threads`` is out of range.
    """

    def __init__(self, data: bytes, isa: str | None = None, threads: int = 1) -> None: ...
    @property
    def isa(self) -> str:
        """The instruction-set tier in use."""
    @property
    def threads(self) -> int: ...
    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
    @property
    def output_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
    @property
    def memory_bytes(self) -> int:
        """Memory that the values of one image take while it runs."""

    def run(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """``[N, C, H, W]`` -> ``[N, C, H, W]``, any N; C-contiguous. Releases the GIL.

        Errors
        ------
        ShapeError : ``x`` has another shape, element type or layout.
        """

    def profile(self, x: npt.NDArray[np.float32]) -> list[tuple[str, str, float, int]]:
        """Name, operation, seconds and multiply-accumulates of every step over all images of ``x``, in order."""
