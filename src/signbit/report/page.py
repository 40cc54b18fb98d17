"""A page made of sections; figures are inline SVG, so the file can be mailed, archived and opened offline."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from markupsafe import escape
from matplotlib import rc_context
from matplotlib.figure import Figure

from signbit.files import write_bytes_atomically

TEMPLATE = Path(__file__).with_name("page.html")
CYCLE = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")
THEME = {"#000000": "--ink", "#b0b0b0": "--line", **{colour: f"--c{i}" for i, colour in enumerate(CYCLE)}}
"""matplotlib's colour -> the page's, which knows a light and a dark value for each."""
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
INDENT, ATTRIBUTE, DIGITS = re.compile(r"\n\s+"), re.compile(r'="[^"]*"'), re.compile(r"(\.\d\d)\d+")
"""What only makes a page longer: white space, and digits of places below a hundredth of a point."""
FIGURE = re.compile(r"[-+]?[\d,]+(\.\d+)?(e[-+]?\d+)?( (±|→) [\d.]+)?")
"""A cell that holds a figure, also one with its interval, or the first and the last of a run."""
NOTHING = "-"
"""A cell of a figure that is not known."""


@dataclass(frozen=True)
class Section:
    """One part of a page: text, figures, a table, notes under it and a block of code, each optional."""

    title: str
    text: str = ""
    figures: Sequence[Figure] = ()
    header: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    code: str = ""
    notes: Sequence[str] = ()

    def svgs(self) -> list[str]:
        """The figures as SVG elements."""
        return [_svg(figure) for figure in self.figures]

    def numeric(self) -> list[bool]:
        """Of every column whether its cells are figures or missing, so that it is aligned to the right."""
        columns = [[str(cell) for cell in column] for column in zip(*self.rows, strict=True)]
        return [
            all(cell == NOTHING or FIGURE.fullmatch(cell) for cell in cells) and set(cells) != {NOTHING}
            for cells in columns
        ]


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
    """The figure as an element of the page: its text stays text, its colours are those of the page's theme."""
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "signbit"}):
        figure.savefig(buffer, format="svg", bbox_inches="tight", transparent=True, dpi=144, metadata=NO_METADATA)
    drawing = buffer.getvalue().partition("<svg")[2]
    drawing = INDENT.sub("\n", drawing)
    drawing = ATTRIBUTE.sub(lambda attribute: DIGITS.sub(r"\1", attribute[0]), drawing)
    for colour, variable in THEME.items():
        drawing = drawing.replace(colour, f"var({variable})")
    return f'<svg role="img" aria-label="{escape(str(figure.get_label()))}"{drawing}'
