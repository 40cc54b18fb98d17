"""What a command is, and how it speaks to people and to programs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from signbit.errors import ConfigError, MissingDependencyError, UnknownNameError


@dataclass(frozen=True)
class Command:
    """One sub-command.

    Attributes
    ----------
    name, summary : for ``signbit --help``.
    examples : command lines shown under ``--help``.
    configure : adds the command's own arguments to its parser.
    run : does the work, prints for people with :func:`say`, returns the object that ``--json`` prints.
    """

    name: str
    summary: str
    examples: Sequence[str]
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Mapping[str, Any]]


class Parser(argparse.ArgumentParser):
    """argparse whose errors are exceptions of ours: one line, and where to read more."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see: {self.prog} --help")

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The arguments of a command line; options that do not exist raise with close matches."""
        known = [name for name in self._option_string_actions if name.startswith("--")]
        for argument in arguments:
            option = argument.partition("=")[0]
            if option == "--":
                break
            if option.startswith("--") and not any(name.startswith(option) for name in known):
                raise UnknownNameError("option", option, known, see=f"{self.prog} --help")
        return self.parse_args(arguments)


def say(args: argparse.Namespace, text: str = "") -> None:
    """Print for people: to standard output, or to standard error where ``--json`` has reserved it for the result."""
    print(text, file=sys.stderr if args.json else sys.stdout, flush=True)


def emit(result: Mapping[str, Any]) -> None:
    """Print the one JSON object that ``--json`` promises as the last line of standard output."""
    print(json.dumps(result, default=str, allow_nan=False), flush=True)


def table(rows: Iterable[Sequence[object]], header: Sequence[str]) -> str:
    """Plain text columns; numbers are aligned to the right.

    >>> print(table([("conv1", 12), ("fc", 3)], ("layer", "bytes")))
    layer  bytes
    conv1     12
    fc         3
    """
    cells = [[str(cell) for cell in row] for row in rows]
    numeric = [all(_is_number(row[i]) for row in cells) for i in range(len(header))]
    widths = [max(len(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    lines = []
    for row in [list(header), *cells]:
        padded = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(row, widths, numeric, strict=True)]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "", 1).replace("-", "", 1).isdigit() or text == ""


def add_instructions(parser: argparse.ArgumentParser) -> None:
    """The option of what reports on runs beside instructions that were counted apart."""
    parser.add_argument(
        "--instructions",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="counts from signbit bench-train --count instructions --out; may be given again, for other methods",
    )


def positive_int(text: str) -> int:
    """An argparse type: an integer of at least 1."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected an integer, got {text!r}") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {value}")
    return value


def assignments(flag: str, texts: Iterable[str]) -> dict[str, Any]:
    """What an option that is given as ``KEY=VALUE``, any number of times, says.

    >>> assignments("--set", ["tau=1e-6", "bias_correction=none"])
    {'tau': 1e-06, 'bias_correction': 'none'}
    """
    return dict(_assignment(flag, text) for text in texts)


def _assignment(flag: str, text: str) -> tuple[str, Any]:
    """``"tau=1e-6"`` -> ``("tau", 1e-6)``: values as in a recipe."""
    try:
        from yaml import YAMLError

        from signbit.yaml_file import parse_yaml
    except ModuleNotFoundError as missing:
        raise MissingDependencyError(missing.name or "pyyaml", flag, "train") from None

    key, equals, value = text.partition("=")
    try:
        parsed = parse_yaml(value)
    except YAMLError:
        equals = ""
    if not equals or not key:
        raise ConfigError(f"{flag} takes KEY=VALUE, the value as in a recipe, for example tau=1e-6; got {text!r}")
    return key, parsed
