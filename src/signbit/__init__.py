"""signbit: train binarized neural networks, export them to one small file, run it fast on an ordinary CPU.

Importing this package imports neither torch nor the native module; each name below is loaded at its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signbit import runtime as runtime
    from signbit.exporter import ExportReport as ExportReport
    from signbit.exporter import Summary as Summary
    from signbit.exporter import export as export
    from signbit.exporter import summary as summary
    from signbit.methods import create_model as create_model
    from signbit.methods import create_optimizer as create_optimizer

__version__ = "0.1.0"

_HOME = {
    "create_model": "signbit.methods",
    "create_optimizer": "signbit.methods",
    "export": "signbit.exporter",
    "ExportReport": "signbit.exporter",
    "summary": "signbit.exporter",
    "Summary": "signbit.exporter",
}
_ROOMS = ("runtime",)

__all__ = [*_HOME, *_ROOMS, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _ROOMS:
        return import_module(f"signbit.{name}")
    raise AttributeError(f"module 'signbit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
