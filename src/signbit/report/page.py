"""A page made of sections; figures are inline SVG, so the file can be mailed, archived and opened offline."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from matplotlib.figure import Figure

from signbit.files import write_bytes_atomically

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ page.title }}</title>
<style>
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --line: #d8dee4; --paper: #ffffff; --panel: #f6f8fa; --mark: #0b6bcb; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #9aa4af; --line: #343b43; --paper: #14181d; --panel: #1d2329; --mark: #6cb2f7; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 1.15rem; margin: 40px 0 8px; }
p { max-width: 70ch; } .lead { color: var(--soft); margin-top: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 24px 0; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; }
.card b { display: block; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: .85rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 6px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.wide { white-space: normal; min-width: 22ch; }
th { color: var(--soft); font-weight: 600; }
td.num, th.num { text-align: right; }
figure { margin: 8px 0; background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: 8px; }
figure svg { width: 100%; height: auto; display: block; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 12px; overflow-x: auto; font-size: .85rem; }
</style>
</head>
<body><main>
<h1>{{ page.title }}</h1>
<p class="lead">{{ page.lead }}</p>
{% if page.cards %}<div class="cards">
{% for value, label in page.cards %}<div class="card"><b>{{ value }}</b><span>{{ label }}</span></div>
{% endfor %}</div>{% endif %}
{% for section in page.sections %}
<section><h2>{{ section.title }}</h2>
{% if section.text %}<p>{{ section.text }}</p>{% endif %}
{% for svg in section.svgs() %}<figure>{{ svg | safe }}</figure>{% endfor %}
{% if section.rows %}<div class="scroll"><table><thead><tr>
{% for name in section.header %}<th{% if section.numeric(loop.index0) %} class="num"{% endif %}>{{ name }}</th>{% endfor %}
</tr></thead><tbody>
{% for row in section.rows %}<tr>{% for cell in row %}<td{% if section.numeric(loop.index0) %} class="num"{% elif cell | string | length > 40 %} class="wide"{% endif %}>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>{% endif %}
{% if section.code %}<pre>{{ section.code }}</pre>{% endif %}
</section>
{% endfor %}
</main></body></html>
"""


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
        return environment.from_string(TEMPLATE).render(page=self)

    def write(self, path: Path) -> None:
        """Write the page to ``path``, whole or not at all."""
        write_bytes_atomically(path, self.html().encode())


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    return buffer.getvalue().partition("<svg")[1] + buffer.getvalue().partition("<svg")[2]
