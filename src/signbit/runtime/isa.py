"""Instruction-set tiers: which exist, which this CPU can run, and the door to the compiled module."""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType

from signbit.errors import SignbitError, UnusableIsaError

REFERENCE = "reference"
"""The numpy executor: no compiled code, every CPU, slow."""


def native() -> ModuleType:
    """The compiled module, imported at the first call.

    Errors
    ------
    SignbitError : it wasn't built, or it cannot be loaded on this system.
    """
    try:
        return import_module("signbit.runtime._native")
    except ImportError as error:
        raise SignbitError(
            f"the native module cannot be loaded ({error}); build it with: pip install . (needs a C++20 compiler), "
            f"or use isa={REFERENCE!r}, which is slow and needs none"
        ) from error


def available_isas() -> list[str]:
    """Names of the tiers that this CPU can run, fastest first; ``"reference"`` is always the last.

    >>> available_isas()[-1]
    'reference'
    """
    try:
        tiers = native().isa_tiers()
    except SignbitError:
        return [REFERENCE]
    return [*(name for name, usable, _ in tiers if usable), REFERENCE]


def choose_isa(isa: str | None) -> str:
    """The tier to use: ``isa``, or else the environment's ``SIGNBIT_ISA``, or else the fastest.

    Errors
    ------
    UnusableIsaError : there is no such tier, or this CPU cannot run it.
    """
    source = "isa"
    if isa is None:
        source, isa = "SIGNBIT_ISA", os.environ.get("SIGNBIT_ISA") or None
    if isa == REFERENCE:
        return isa
    tiers = native().isa_tiers()
    usable = [name for name, runs, _ in tiers if runs]
    if isa is None:
        return str(usable[0])
    if isa not in usable:
        known = any(isa == name for name, *_ in tiers)
        reason = "this CPU cannot run it" if known else "there is no such tier"
        raise UnusableIsaError(f"{source}={isa!r}: {reason}; usable here: {', '.join([*usable, REFERENCE])}")
    return isa
