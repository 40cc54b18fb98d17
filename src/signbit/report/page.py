"""A page made of sections; figures are inline SVG, so the file can be mailed, archived and opened offline."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from matplotlib.figure import Figure

from signbit.files import write_bytes_atomically

TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class Section:
    """One part of a page: text, figures, a table and a block of code, each optional."""

    title: str
    text: str = ""
    figures: Sequence[Figure] = ()
    header: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    code: str = ""

    def svgs(self) -> list[str]:
        """The figures as SVG elements."""
        return [_svg(figure) for figure in self.figures]

    def numeric(self, column: int) -> bool:
        """Whether every cell of a column is a number, so that it is aligned to the right."""
        return all(isinstance(row[column], int | float) for row in self.rows)


@dataclass(frozen=True)
class Page:
    """A whole report. ``cards`` are the few figures that one wants to see first: (value, what it is)."""

    title: str
    lead: str
    cards: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = field(default_factory=list)

    def html(self) -> str:
        """The page as one self-contained HTML document; all text is escaped."""
        environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        return environment.from_string(TEMPLATE.read_text()).render(page=self)

    def write(self, path: Path) -> None:
        """Write the page to ``path``, whole or not at all."""
        write_bytes_atomically(path, self.html().encode())


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    return buffer.getvalue().partition("<svg")[1] + buffer.getvalue().partition("<svg")[2]
