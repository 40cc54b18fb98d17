"""The page of one run: how it was trained, what the network became, how to do it again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure

from signbit.callbacks.record import read_rows
from signbit.report.charts import Line, curves
from signbit.report.export_section import export_section
from signbit.report.flip_map import WHAT, flip_map
from signbit.report.page import Page, Section
from signbit.training.folder import CONFIG, ENVIRONMENT, METRICS, read_json

Rows = Sequence[Mapping[str, float]]


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
    config = yaml.safe_load((run / CONFIG).read_text())
    environment = read_json(run / ENVIRONMENT)
    rows = read_rows(run / METRICS)
    flips = flip_map("sign flip rate", rows)
    return Page(
        title=title,
        lead=f"{config['model']} trained with {config['method']} on {config['data']}, {len(rows)} epochs",
        cards=cards,
        sections=[
            Section("Training", "Accuracy and loss after every epoch.", figures=_curves(rows)),
            *([Section("Sign flips", WHAT.format(which=""), [flips])] if flips is not None else []),
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
