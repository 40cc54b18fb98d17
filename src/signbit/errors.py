"""The one exception family of signbit.

Every message says what rule was broken, what was received, what is allowed and what to do next. The command
line prints the message and exits with code 2; ``--debug`` adds the traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class SignbitError(Exception):
    """Base of every error that signbit raises on purpose."""


class ConfigError(SignbitError, ValueError):
    """A setting is missing, of the wrong type or out of its range."""


class UnknownNameError(ConfigError):
    """A name that no registry entry carries.

    Parameters
    ----------
    kind : what was looked up, for example ``"method"``.
    name : the name that was asked for.
    known : the names that exist.
    see : the command that lists them, told in their place where they are many.
    """

    MANY = 20

    def __init__(self, kind: str, name: str, known: Iterable[str], see: str = "") -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        close = get_close_matches(name, self.known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        listed = f"see: {see}" if see and len(self.known) > self.MANY else f"known: {', '.join(self.known) or 'none'}"
        super().__init__(f"unknown {kind} {name!r}; {hint}{listed}")


class IncompatibleMethods(ConfigError):  # noqa: N818 - the public name is fixed by the contract
    """Two methods claim the same part of training, or one needs what the other removes."""


class MissingDependencyError(SignbitError, ImportError):
    """An optional package is needed for what was asked, and is not installed."""

    def __init__(self, package: str, needed_for: str, extra: str) -> None:
        super().__init__(f"{needed_for} needs {package}, which is not installed; run: pip install 'signbit[{extra}]'")


class DataError(SignbitError):
    """A data set or an image is missing, incomplete or not what it claims to be."""


class WriteError(SignbitError):
    """A file cannot be written: no such folder, no permission, no room."""


class ShapeError(SignbitError, ValueError):
    """An array has the wrong shape or element type."""


class FormatError(SignbitError, ValueError):
    """A ``.sbn`` file is malformed.

    Parameters
    ----------
    message : the rule that is broken, with the value found.
    offset : byte offset of the offending field in the file.
    """

    def __init__(self, message: str, offset: int) -> None:
        self.offset = offset
        super().__init__(f"not a valid .sbn file: {message} (at byte offset {offset})")


class ExportError(SignbitError):
    """A model holds something that cannot be lowered to a ``.sbn`` graph."""


class NonFiniteLossError(SignbitError, ArithmeticError):
    """The training loss became NaN or infinite."""


class UnusableIsaError(ConfigError):
    """An instruction-set tier that does not exist or that this CPU cannot run."""
