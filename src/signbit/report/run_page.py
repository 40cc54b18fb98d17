"""The page of one run: how it was trained, what the network became, how to do it again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure

from signbit.callbacks.record import read_rows
from signbit.report.charts import Line, curves, heat_map
from signbit.report.export_section import export_section
from signbit.report.page import Page, Section

Rows = Sequence[Mapping[str, float]]

FLIPS = "sign_flip_rate/"
"""Prefix of the sign flip rate of one layer among the metrics of a run."""


def run_page(
    *, run: Path, title: str, export: Mapping[str, Any], cards: Sequence[tuple[str, str]], reproduce: str
) -> Page:
    """Put together the page of a run folder.

    Parameters
    ----------
    run : folder written by a training run.
    title : headline.
    export : what :meth:`signbit.ExportReport.to_dict` gives.
    cards : the few figures to show first: (value, what it is).
    reproduce : the command that does it again.
    """
    config = yaml.safe_load((run / "config.yaml").read_text())
    environment = json.loads((run / "environment.json").read_text())
    rows = read_rows(run / "metrics.csv")
    return Page(
        title=title,
        lead=f"{config['model']} trained with {config['method']} on {config['data']}, {len(rows)} epochs",
        cards=cards,
        sections=[
            Section("Training", "Accuracy and loss after every epoch.", figures=_curves(rows)),
            Section(
                "Sign flips",
                "Share of a layer's weights whose sign at the end of an epoch differs from the epoch before. "
                "Training a binary network is over when the signs come to rest.",
                figures=[_flip_map(rows)],
            ),
            export_section(export),
            Section("Do it again", code=reproduce),
            Section("Settings", code=yaml.safe_dump(config, sort_keys=False)),
            Section("Environment", code=json.dumps(environment, indent=2)),
        ],
    )


def _curves(rows: Rows) -> list[Figure]:
    epochs = [int(row["epoch"]) + 1 for row in rows]
    figures = []
    for name, label, factor in (("accuracy", "accuracy, %", 100), ("loss", "cross entropy", 1)):
        lines = [
            Line(text, place, epochs, [factor * row[f"{split}_{name}"] for row in rows])
            for place, (split, text) in enumerate((("val", "validation"), ("train", "training")))
        ]
        figures.append(curves(lines, ("epoch", label)))
    return figures


def _flip_map(rows: Rows) -> Figure:
    """Layer x epoch."""
    names = list(dict.fromkeys(key for row in rows for key in row if key.startswith(FLIPS)))
    rates = {
        name.removeprefix(FLIPS).removesuffix(".weight"): [row.get(name, float("nan")) for row in rows]
        for name in names
    }
    return heat_map("sign flip rate", rates, "flipped signs, %")
