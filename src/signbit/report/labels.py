"""Names on charts: as they were chosen, and broken into lines so that the longest leaves room for what it names."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis

TICK, LINE = 26, 54
"""Characters of a line beside an axis, and of one across a chart."""
TICK_INCHES, LEGEND_INCHES = 0.17, 0.15
"""Height of a line."""


def plain(name: str, width: int = LINE) -> str:
    """A name as matplotlib is to be given it, which would set what is between $ as mathematics.

    >>> print(plain("a $ of 3", 5))
    a \\$
    of 3
    """
    return "\n".join(textwrap.wrap(name, width)).replace("$", r"\$")


def ticks(axis: Axis, names: Sequence[str], **style: Any) -> None:
    """A named place for each."""
    axis.set_ticks(range(len(names)), [plain(name, TICK) for name in names], **style)


def height_of(names: Sequence[str]) -> float:
    """Inches that named places need one above the other."""
    return len(names) * max(0.3, 0.1 + TICK_INCHES * _lines(names, TICK))


def legend(axes: Axes, names: Sequence[str]) -> None:
    """What was drawn with a label, below the chart, which grows by what more than two lines take."""
    columns = max(1, min(4, len(names), 64 // (max(map(len, names), default=1) + 7)))
    lines = math.ceil(len(names) / columns) * _lines(names, LINE)
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.set_figheight(figure.get_figheight() + LEGEND_INCHES * max(0, lines - 2))
    figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=8.5, handletextpad=0.5)


def entry(name: str) -> str:
    """A name for the legend, from which matplotlib leaves out what begins with an underscore."""
    return " " * name.startswith("_") + plain(name)


def _lines(names: Sequence[str], width: int) -> int:
    return max((len(textwrap.wrap(name, width)) for name in names), default=1)
