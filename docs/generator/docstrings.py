"""Docstrings as their authors wrote them for a terminal -> Markdown and sections that MkDocs shows well.

* a section with a rule below its heading becomes an indented one, which ends where prose starts again;
* a paragraph that ends in ``::`` loses one colon, and the block below it is fenced; so are doctests and ruled tables;
* ``:class:`~signbit.x.Y``` becomes a link to where Y is described, if it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

SECTIONS = {"Parameters": "Args", "Attributes": "Attributes", "Returns": "Returns", "Errors": "Raises"}
"""Heading in our docstrings -> the heading that MkDocs knows."""

_ROLE = re.compile(r":(?:class|func|data|meth|mod|attr):`(~?)([\w.]+)`")
_ENTRY = re.compile(r"([\w*., ]+?) : (.*)")


def to_markdown(text: str) -> str:
    """The docstring ``text`` with indented sections and Markdown's blocks.

    >>> print(to_markdown("Adds.\\n\\nParameters\\n----------\\nx, y : in [0, 1]\\n\\nShape: kept."))
    Adds.
    <BLANKLINE>
    Args:
        x: in [0, 1]
        y: in [0, 1]
    <BLANKLINE>
    Shape: kept.
    """
    lines = list(_sections(text.split("\n")))
    return _ROLE.sub(_link, "\n".join(_blocks(lines)))


def targets(text: str) -> list[str]:
    """What the roles in ``text`` point to."""
    return [match[2] for match in _ROLE.finditer(text)]


def _link(role: re.Match[str]) -> str:
    short, path = role.groups()
    title = path.rpartition(".")[2] if short else path
    # "optional": what is described nowhere stays a plain name.
    return f'<autoref identifier="{path}" optional><code>{title}</code></autoref>'


def _sections(lines: Sequence[str]) -> Iterator[str]:
    i = 0
    while i < len(lines):
        if lines[i] in SECTIONS and i + 1 < len(lines) and lines[i + 1] == "-" * len(lines[i]):
            yield f"{SECTIONS[lines[i]]}:"
            i += 2
            if lines[i - 2] == "Returns":
                end = _end(lines, i, lambda text: not text.strip())
                yield from (f"    {line}" for line in lines[i:end])
                i = end
            while i < len(lines) and (entry := _ENTRY.fullmatch(lines[i])):
                end = _end(lines, i + 1, lambda text: not text.startswith("    "))
                for name in entry[1].split(", "):
                    yield f"    {name}: {_plain(entry[2])}"
                    yield from (f"    {line}" for line in lines[i + 1 : end])
                i = end
        else:
            yield lines[i]
            i += 1


def _plain(text: str) -> str:
    """Text that Markdown would take for a quotation, as it is meant: ``>= 1``."""
    return f"\\{text}" if text.startswith(">") else text


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    i = 0
    while i < len(lines):
        line = lines[i]
        if line.lstrip().startswith(">>> "):
            end = _end(lines, i, lambda text: not text.strip())
            yield from _fenced("pycon", lines[i:end])
        elif re.fullmatch(r"=+(  +=+)+", line.strip()):
            end = 1 + max(k for k, other in enumerate(lines) if other.strip() == line.strip())
            yield from _fenced("text", lines[i:end])
        elif line.endswith("::"):
            depth = len(line) - len(line.lstrip())
            start = i + 2
            end = _end(lines, start, _outdented(depth))
            while not lines[end - 1].strip():
                end -= 1
            yield from (line[:-1], "", *_fenced("text", lines[start:end]))
        else:
            end = i + 1
            text = line.lstrip()
            yield line[: len(line) - len(text)] + _plain(text)
        i = end


def _end(lines: Sequence[str], start: int, stops: Callable[[str], bool]) -> int:
    return next((k for k in range(start, len(lines)) if stops(lines[k])), len(lines))


def _outdented(depth: int) -> Callable[[str], bool]:
    return lambda text: bool(text.strip()) and len(text) - len(text.lstrip()) <= depth


def _fenced(language: str, lines: Sequence[str]) -> list[str]:
    depth = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    margin = " " * (depth if language == "pycon" else 0)
    return [f"{margin}```{language}", *(margin + line[depth:] for line in lines), f"{margin}```"]
