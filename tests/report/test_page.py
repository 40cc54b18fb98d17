"""Sections of a page: which columns hold figures, and what becomes of a drawing."""

from __future__ import annotations

import re
from html import escape

import pytest
from matplotlib.figure import Figure

from signbit.compare import Estimate
from signbit.report import Page, Section, charts
from signbit.report.charts import Line


@pytest.mark.parametrize(
    ("column", "numeric"),
    [
        (("99.91 ± 0.40", "-"), True),
        (("1.093 → 0.001", "12"), True),
        (("377,192", "1.52e+14", "-3", "+0.83 ± 0.69"), True),
        ((3, 0.25), True),
        (("-", "-"), False),
        (("0 1 2", "0"), False),
        (("ste", "12"), False),
    ],
)
def test_figures_are_aligned_to_the_right(column: tuple[object, ...], numeric: bool) -> None:
    assert Section("s", header=["a"], rows=[(cell,) for cell in column]).numeric() == [numeric]


def test_a_drawing_loses_digits_of_places_and_none_of_its_text() -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1 / 3, 2 / 3], [1 / 7, 2 / 7])
    axes.set_title("tau 0.0001913")
    html = Page("p", "", sections=[Section("s", figures=[figure])]).html()
    drawing = html[html.index("<svg") :]
    assert ">tau 0.0001913<" in drawing
    places = [part for part in drawing.split('"')[1::2] if part.startswith("M ")]
    assert places
    assert all(len(number.partition(".")[2]) <= 2 for place in places for number in place.split())


STRANGE = ["$\\frac$", "_first", "a$b$c", "<b>|]]>", "[/red]"]


def test_names_stand_as_they_were_chosen() -> None:
    """Not as mathematics, not left out of a legend, not as elements of the page."""
    figures = [
        charts.curves([Line(name, place, [1, 2], [1, 2]) for place, name in enumerate(STRANGE)], ("epoch", "%")),
        charts.bars(STRANGE, [1.0, None, 2.0, 3.0, 4.0], "ms"),
        charts.intervals(STRANGE, [Estimate(1.0, None, 1)] * len(STRANGE), "%"),
        charts.against(STRANGE, [1.0] * len(STRANGE), [Estimate(1.0, 0.5, 3)] * len(STRANGE), ("s", "%")),
        charts.scatter(range(len(STRANGE)), range(len(STRANGE)), ("$\\frac$", "%"), options=STRANGE),
    ]
    for svg in Section("s", figures=figures).svgs():
        assert [name for name in STRANGE if f">{escape(name, quote=False)}<" not in svg.replace("> _", ">_")] == []


def test_long_names_leave_room_for_what_they_name() -> None:
    """Nothing is wider than the chart, which grows with their lines; matplotlib warns where no room is left."""
    names = [f"bop2nd learning_rate={rate} gamma=None sigma=0.00012 tau=1e-06 width=8" for rate in range(12)]
    figures = [
        charts.curves([Line(name, place, [1, 2], [1, 2]) for place, name in enumerate(names)], ("epoch", "%")),
        charts.bars(names, [1.0] * 12, "ms"),
        charts.heat_map(names[0], {"body.0": [0.1, 0.2]}, "%"),
    ]
    for svg in Section("s", figures=figures).svgs():
        (width,) = re.findall(r'viewBox="0 0 ([\d.]+) ', svg)
        assert float(width) < 1.1 * 72 * charts.WIDTH
    assert figures[0].get_figheight() > charts.HEIGHT + 2
