"""The charts of the pages: plain figures in, a matplotlib figure out, sized so that one fits a telephone's width."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from matplotlib.tri import Triangulation

from signbit.compare.statistics import Estimate
from signbit.report.labels import entry, height_of, legend, plain, ticks

WIDTH, HEIGHT = 4.6, 3.3
MARKERS = "osD^vP*X"
SPREAD, GOLDEN = 0.4, (math.sqrt(5) - 1) / 2
"""Dots of one option are strewn over this part of its place, by multiples of the golden ratio: none hides another."""
LOWEST_RATE = 1e-5
"""Sign flip rates below it, zero included, get the map's darkest colour."""


@dataclass(frozen=True)
class Line:
    """One curve; ``low`` and ``high`` bound a band around it where there is more than one run.

    ``place`` is the setting's among all of the page, which decides its colour.
    """

    name: str
    place: int
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


def intervals(names: Sequence[str], values: Sequence[Estimate], label: str) -> Figure:
    """One dot a name, with its interval."""
    figure, axes = _chart(f"{label} with intervals", height=0.9 + height_of(names))
    for row, value in enumerate(values):
        axes.errorbar(value.mean, row, xerr=value.half_width, **_style(row), linestyle="none", capsize=3)
    ticks(axes.yaxis, names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(label)
    return figure


def against(names: Sequence[str], x: Sequence[float | None], y: Sequence[Estimate], labels: tuple[str, str]) -> Figure:
    """A dot for every name that has an x, on a logarithmic x axis where the values span it."""
    figure, axes = _chart(f"{labels[1]} against {labels[0]}")
    known = [value for value in x if value is not None]
    for row, (name, place, value) in enumerate(zip(names, x, y, strict=True)):
        if place is not None:
            axes.errorbar(place, value.mean, yerr=value.half_width, **_style(row), linestyle="none", label=entry(name))
    if known and max(known) > 3 * min(known) > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(known) < 30 * min(known) else (1,)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel=labels[0], ylabel=labels[1])
    legend(axes, names)
    return figure


def curves(
    lines: Sequence[Line],
    labels: tuple[str, str],
    stepped: bool = False,
    span: tuple[float, float] | None = None,
    whole: bool = True,
) -> Figure:
    """Lines over a common axis, with their bands; ``span`` of the y axis, default: what the lines need.

    ``stepped`` lines take whole values. ``whole`` puts ticks of the x axis at whole numbers only.
    """
    figure, axes = _chart(f"{labels[1]} by {labels[0]}")
    for line in lines:
        style: dict[str, Any] = {"color": f"C{line.place % 10}", "linestyle": "-" if line.place < 10 else "--"}
        axes.plot(line.x, line.y, label=entry(line.name), drawstyle="steps-post" if stepped else "default",
                  marker="o" if len(line.x) == 1 else None, **style)  # fmt: skip
        if line.low is not None and line.high is not None:
            axes.fill_between(line.x, line.low, line.high, color=style["color"], alpha=0.15, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True) if whole else MaxNLocator(6))
    if stepped:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel=labels[0], ylabel=labels[1], ylim=span)
    legend(axes, [line.name for line in lines])
    return figure


def heat_map(title: str, rates: Mapping[str, Sequence[float]], label: str) -> Figure:
    """Layer x epoch, in percent, on one logarithmic scale for all maps of a page; a missing rate stays empty."""
    figure, axes = _chart(title, height=1.1 + 0.17 * len(rates), grid=False)
    table = 100 * np.clip(np.array(list(rates.values()), dtype=float), LOWEST_RATE, None)
    extent = (0.5, table.shape[1] + 0.5, len(table) - 0.5, -0.5)
    norm = LogNorm(100 * LOWEST_RATE, 100)
    image = axes.imshow(table, aspect="auto", cmap="viridis", extent=extent, norm=norm, interpolation="nearest")
    ticks(axes.yaxis, list(rates), fontsize=7.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_title(plain(title), fontsize=10, loc="left")
    figure.colorbar(image, label=label)
    return figure


def bars(names: Sequence[str], values: Sequence[float | None], label: str) -> Figure:
    """One horizontal bar a name, its figure written beside it."""
    figure, axes = _chart(label, height=0.9 + height_of(names))
    known = [(row, value) for row, value in enumerate(values) if value is not None]
    drawn = axes.barh([row for row, _ in known], [v for _, v in known], color=[f"C{row % 10}" for row, _ in known])
    axes.bar_label(
        drawn, [f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" for _, value in known], padding=3, fontsize=8.5
    )
    ticks(axes.yaxis, names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.margins(x=0.18)
    if max((value for _, value in known), default=0.0) >= 1000:  # whole, not as a part of 1e6 in a corner
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel(label)
    return figure


def history(numbers: Sequence[int], values: Sequence[float], labels: tuple[str, str]) -> Figure:
    """One dot a value in the order of their numbers, and the highest so far as a line."""
    figure, axes = _chart(f"{labels[1]} by {labels[0]}")
    axes.plot(numbers, np.maximum.accumulate(values), color="C1", drawstyle="steps-post", label="best so far")
    axes.scatter(numbers, values, s=28, color="C0", label=labels[0], zorder=3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel=labels[0], ylabel=labels[1])
    legend(axes, ["best so far", labels[0]])
    return figure


def scatter(x: Sequence[float], y: Sequence[float], labels: tuple[str, str], *, log: bool = False,
            options: Sequence[str] = (), faint: Sequence[bool] = ()) -> Figure:  # fmt: skip
    """One dot a value; ``options`` name places on the x axis, around which dots spread; ``faint`` dots are hollow."""
    figure, axes = _chart(f"{labels[1]} against {labels[0]}")
    hollow = np.array(faint, dtype=bool) if faint else np.zeros(len(x), dtype=bool)
    across, up = np.asarray(x, float), np.asarray(y, float)
    if options:
        across = across + SPREAD * (np.arange(len(across)) * GOLDEN % 1 - 0.5)
    axes.scatter(across[hollow], up[hollow], s=28, edgecolors="C0", facecolors="none", alpha=0.5)
    axes.scatter(across[~hollow], up[~hollow], s=28, edgecolors="C0", facecolors="C0")
    _scale(axes.xaxis, log, options)
    axes.set(xlabel=plain(labels[0]), ylabel=labels[1])
    return figure


def contour(x: Sequence[float], y: Sequence[float], z: Sequence[float], labels: tuple[str, str, str], *,
            log: tuple[bool, bool]) -> Figure:  # fmt: skip
    """Values at scattered points: the points, and levels between them where they span a plane."""
    figure, axes = _chart(f"{labels[2]} by {labels[0]} and {labels[1]}", grid=False)
    places = [np.log10(v) if is_log else np.asarray(v, float) for v, is_log in zip((x, y), log, strict=True)]
    # Neighbours are found where both axes are equally long: of two units, one may be a million times the other.
    plane = np.stack([(place - place.mean()) / (np.ptp(place) or 1.0) for place in places])
    if len(x) > 3 and np.linalg.matrix_rank(plane, tol=1e-6) == 2 and min(z) < max(z):
        triangles = Triangulation(plane[0], plane[1]).triangles
        axes.tricontourf(Triangulation(places[0], places[1], triangles), z, levels=12, cmap="viridis")
    dots = axes.scatter(places[0], places[1], c=z, cmap="viridis", s=26, edgecolors="k", linewidths=0.6)
    axes.use_sticky_edges = False  # dots at the rim are whole
    for axis, is_log in zip((axes.xaxis, axes.yaxis), log, strict=True):
        if is_log:
            axis.set_major_locator(MaxNLocator(integer=True))
            axis.set_major_formatter(FuncFormatter(_power_of_ten))
    axes.set(xlabel=plain(labels[0]), ylabel=plain(labels[1]))
    figure.colorbar(dots, label=labels[2])
    return figure


def surface(title: str, x: Sequence[float], y: Sequence[float], z: Sequence[Sequence[float]],
            labels: tuple[str, str, str], norm: Normalize) -> Figure:  # fmt: skip
    """Values on a grid, ``z[row of y][column of x]``, as levels on a colour scale that several figures share."""
    figure, axes = _chart(title, grid=False)
    image = axes.pcolormesh(x, y, z, cmap="viridis", norm=norm, shading="nearest", rasterized=True)
    levels = np.asarray(norm.inverse(np.linspace(0, 1, 12)[1:-1]))  # of the shared scale, so that they compare too
    inside = levels[(levels > np.min(z)) & (levels < np.max(z))]
    if len(inside):
        axes.contour(x, y, z, levels=inside, colors="w", linewidths=0.5, alpha=0.7)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.set_title(plain(title), fontsize=10, loc="left")
    figure.colorbar(image, label=labels[2])
    return figure


def mean_line(name: str, place: int, runs: Sequence[Sequence[float]], factor: float = 1.0) -> Line:
    """The mean over runs, epoch by epoch, and the span of the runs; a run that stopped early ends its share.

    >>> mean_line("a", 0, [[1.0, 2.0], [3.0]])
    Line(name='a', place=0, x=[1, 2], y=[2.0, 2.0], low=[1.0, 2.0], high=[3.0, 2.0])
    """
    epochs = range(max(map(len, runs)))
    columns = [[factor * run[epoch] for run in runs if epoch < len(run)] for epoch in epochs]
    x, y = [epoch + 1 for epoch in epochs], [math.fsum(column) / len(column) for column in columns]
    if len(runs) == 1:
        return Line(name, place, x, y)
    return Line(name, place, x, y, [min(column) for column in columns], [max(column) for column in columns])


def _chart(label: str, height: float = HEIGHT, grid: bool = True) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    figure.set_label(label)
    axes = figure.subplots()
    axes.grid(grid)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _power_of_ten(exponent: float, _place: int | None) -> str:
    return f"{10**exponent:.0e}".replace("e-0", "e-").replace("e+0", "e")


def _scale(axis: Axis, log: bool, options: Sequence[str]) -> None:
    """A logarithmic axis, or one of named places."""
    if log:
        axis.axes.set_xscale("log")
    if options:
        ticks(axis, options)
        axis.axes.set_xlim(-0.5, len(options) - 0.5)


def _style(row: int) -> dict[str, Any]:
    return {"color": f"C{row % 10}", "marker": MARKERS[row % len(MARKERS)], "markersize": 6, "elinewidth": 1.2}
