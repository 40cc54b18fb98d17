"""Settings that are given by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from types import NoneType
from typing import Any, get_args, get_type_hints

from signbit.errors import ConfigError


def refuse_unknown(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """ConfigError, with close matches, for the first of the ``given`` names that is not ``known``."""
    names = sorted(known)
    for name in given:
        if name not in names:
            close = get_close_matches(name, names, n=2)
            hint = f"did you mean {' or '.join(close)}? " if close else ""
            raise ConfigError(f"{owner} has no setting {name!r}; {hint}it has: {', '.join(names) or 'none'}")


KINDS: Mapping[Any, tuple[str, tuple[type, ...]]] = {
    bool: ("true or false", (bool,)),
    int: ("an integer", (int,)),
    float: ("a number", (int, float)),
    NoneType: ("nothing", (NoneType,)),
}
"""Declared type -> what it is called, and what it takes. Names are checked by who knows which there are."""


def refuse_mistyped(owner: str, build: Callable[..., object], given: Mapping[str, object]) -> None:
    """ConfigError for the first given setting that is no number, or no truth value, where ``build`` declares one.

    >>> def build(*, width: int = 8, share: float | None = None) -> None: ...
    >>> refuse_mistyped("model 'm'", build, {"width": 16, "share": 1})
    >>> refuse_mistyped("model 'm'", build, {"width": True})
    Traceback (most recent call last):
        ...
    signbit.errors.ConfigError: model 'm': width is an integer; got True
    """
    function: Any = build.func if isinstance(build, partial) else build
    hints = get_type_hints(function.__init__ if isinstance(function, type) else function)  # type: ignore[misc]
    for name, value in given.items():
        declared = [hints[name]] if hints[name] in KINDS else list(get_args(hints[name]))
        if not declared or not all(kind in KINDS for kind in declared):
            continue
        taken = [kind for _, kinds in map(KINDS.__getitem__, declared) for kind in kinds]
        # bool is an int to isinstance; `width: true` is a mistake all the same.
        if not isinstance(value, tuple(taken)) or (isinstance(value, bool) and bool not in taken):
            raise ConfigError(f"{owner}: {name} is {' or '.join(KINDS[kind][0] for kind in declared)}; got {value!r}")
