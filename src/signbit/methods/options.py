"""Settings that are given by name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from signbit.errors import ConfigError


def refuse_unknown(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """ConfigError, with close matches, for the first of the ``given`` names that is not ``known``."""
    names = sorted(known)
    for name in given:
        if name not in names:
            close = get_close_matches(name, names, n=2)
            hint = f"did you mean {' or '.join(close)}? " if close else ""
            raise ConfigError(f"{owner} has no setting {name!r}; {hint}it has: {', '.join(names) or 'none'}")
