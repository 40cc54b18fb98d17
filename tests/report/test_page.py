"""Sections of a page: which columns hold figures, and what becomes of a drawing."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from signbit.report import Page, Section


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
    assert Section("s", header=["a"], rows=[(cell,) for cell in column]).numeric(0) is numeric


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
