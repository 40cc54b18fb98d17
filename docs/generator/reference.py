"""One page for each room, with everything that it exports, and one for each command."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from functools import partial

from generator import table
from generator.public import public_names, registries, rooms, undocumented
from signbit.cli.main import COMMANDS, load, parser_of


def python_pages() -> dict[str, str]:
    """Path -> page, for each room.

    Errors: ValueError if something public has no docstring.
    """
    if missing := undocumented():
        raise ValueError(f"public and undocumented: {', '.join(missing)}; write a docstring or make it private")
    return {f"reference/python/{room}.md": _room(room) for room in rooms()}


def _room(room: str) -> str:
    names, known = public_names(room), registries()
    # The module's own docstring first, without its members: they follow in the order of __all__.
    options = "{show_root_heading: false, show_root_toc_entry: false, members: false}"
    parts = [f"# {room}", f"::: {room}\n    options: {options}"]
    for name in names:
        path = f"{room}.{name}"
        if path in known:
            what = table(("name", "summary"), ((f"`{entry.name}`", entry.summary) for entry in known[path]))
            parts.append(f"## `{name}` {{ #{path} }}\n\nThe registry of {known[path].kind}s.\n\n{what}")
        elif path in rooms():
            parts.append(f"## `{name}`\n\nA room: [{path}]({path}.md).")
        else:
            parts.append(f"::: {path}")
    return "\n\n".join(parts) + "\n"


def command_pages() -> dict[str, str]:
    """Path -> page, for each command: what ``--help`` prints."""
    return {f"reference/commands/{name}.md": _command(name) for name in COMMANDS}


def _command(name: str) -> str:
    command = load(name)
    lines = "\n".join(command.examples)
    return f"# signbit {name}\n\n{_sentence(command.summary)}\n\n```sh\n{lines}\n```\n\n```text\n{_help(name)}\n```\n"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _help(name: str) -> str:
    parser = parser_of(load(name))
    parser.formatter_class = partial(argparse.RawDescriptionHelpFormatter, width=88)  # type: ignore[assignment]
    # The examples stand above.
    return parser.format_help().partition("\nexamples:\n")[0].rstrip()


def overview(pages: Iterable[str]) -> str:
    """The first page of the reference."""
    rows = [(f"[`{name}`](commands/{name}.md)", COMMANDS[name]) for name in COMMANDS]
    python = [f"[`{page.rpartition('/')[2][:-3]}`](python/{page.rpartition('/')[2]})" for page in pages]
    parts = [
        "# Reference",
        "Made from the package when the site is built: commands from their parsers, Python from docstrings, "
        "[lists](registries.md) from the registries.",
        f"## Commands\n\n{table(('command', 'what it does'), rows)}",
        f"## Python\n\n{' · '.join(python)}",
    ]
    return "\n\n".join(parts) + "\n"
