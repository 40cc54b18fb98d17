"""The page of landscapes: the loss around several trained networks on one scale."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from signbit.landscape import SPACES, Landscape, Scan
from signbit.report.charts import Line, curves, surface
from signbit.report.page import Page, Section

NORMS = {
    "kept": "Batch norms keep the statistics that training left them: what moves is the weights alone.",
    "recalibrated": "Batch norms take their statistics anew at every point, from training images: a network that only "
    "lost its scale is given it back. Even at the centre the loss is then not the one that the run recorded.",
}
LEAST_LOSS = 1e-6
"""Lower ones, zero included, get the map's darkest colour."""


def landscape_page(scan: Scan, landscapes: Sequence[Landscape], command: str) -> Page:
    """The page.

    Parameters
    ----------
    scan, landscapes : what was looked at, and what was found.
    command : what drew it.
    """
    count = f"{scan.images:,} images" if scan.images is not None else "all images"
    split = {"val": "validation", "train": "training"}[scan.split]
    rows = [(found.name, found.method, f"{found.centre.loss:.4f}", f"{100 * found.centre.accuracy:.2f}",
             f"{max(p.loss for p in found.points):.4f}", f"{min(p.loss for p in found.points):.4f}")
            for found in landscapes]  # fmt: skip
    header = ("run", "method", "loss at the centre", "accuracy at the centre, %", "highest loss", "lowest loss")
    return Page(
        title="Loss landscape",
        lead=f"{SPACES[scan.space].summary}; {count} of the {split} split",
        sections=[
            Section(
                "The loss around the trained weights",
                f"{NORMS[scan.norms]} Directions are random, of seed {scan.seed}, and every run has its own: compare "
                "how fast the loss rises, not where. One colour scale for all runs.",
                figures(scan, landscapes),
                header,
                rows,
            ),
            Section("Do it again", code=command),
            Section("What was looked at", code=json.dumps(asdict(scan), indent=2)),
        ],
    )


def figures(scan: Scan, landscapes: Sequence[Landscape]) -> list[Figure]:
    """Lines of all runs for one direction, a map a run for two."""
    coordinates, label = scan.coordinates(), scan.kind.LABEL
    if scan.dimensions == 1:
        losses = [
            Line(found.name, i, coordinates, [p.loss for p in found.points]) for i, found in enumerate(landscapes)
        ]
        shares = [Line(found.name, i, coordinates, [100 * p.accuracy for p in found.points])
                  for i, found in enumerate(landscapes)]  # fmt: skip
        return [curves(losses, (label, "loss"), whole=False), curves(shares, (label, "accuracy, %"), whole=False)]
    tables = [
        np.clip([p.loss for p in found.points], LEAST_LOSS, None).reshape(len(coordinates), -1) for found in landscapes
    ]
    lowest, highest = (limit([limit(table) for table in tables]) for limit in (np.min, np.max))
    norm = LogNorm(lowest, max(highest, 1.001 * lowest))
    return [
        surface(found.name, coordinates, coordinates, table.T, (label, label, "loss"), norm)
        for found, table in zip(landscapes, tables, strict=True)
    ]
