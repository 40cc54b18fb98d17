"""The page of one run: how it was trained, what the network became, how to do it again."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure

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
    rows = _metrics(run / "metrics.csv")
    layers = [
        (row["name"], row["kind"], row["bytes_before"], row["bytes_after"], row["reason"]) for row in export["layers"]
    ]
    return Page(
        title=title,
        lead=f"{config['model']} trained with {config['method']} on {config['data']}, {len(rows)} epochs",
        cards=cards,
        sections=[
            Section("Training", "Accuracy and loss after every epoch.", figures=[_curves(rows)]),
            Section(
                "Sign flips",
                "Share of a layer's weights whose sign at the end of an epoch differs from the epoch before. "
                "Training a binary network is over when the signs come to rest.",
                figures=[_flip_map(rows)],
            ),
            Section(
                "The exported file, layer by layer",
                "Bytes as float32 and in the file. A packed layer stores one bit a weight.",
                header=("layer", "kind", "float32 bytes", "bytes in the file", "packed or float, and why"),
                rows=layers,
            ),
            Section("Do it again", code=reproduce),
            Section("Settings", code=yaml.safe_dump(config, sort_keys=False)),
            Section("Environment", code=json.dumps(environment, indent=2)),
        ],
    )


def _metrics(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as file:
        return [{k: float(v) for k, v in row.items() if v != ""} for row in csv.DictReader(file)]


def _curves(rows: Rows) -> Figure:
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    accuracy, loss = figure.subplots(1, 2)
    epochs = [int(row["epoch"]) + 1 for row in rows]
    for axes, name, label in ((accuracy, "accuracy", "accuracy, %"), (loss, "loss", "cross entropy")):
        factor = 100 if name == "accuracy" else 1
        for split, style in (("train", "--"), ("val", "-")):
            values = [factor * row[f"{split}_{name}"] for row in rows]
            axes.plot(epochs, values, style, label="validation" if split == "val" else "training")
        axes.set(xlabel="epoch", ylabel=label)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return figure


def _flip_map(rows: Rows) -> Figure:
    """Layer x epoch; the last row of the map is the whole network."""
    names = list(dict.fromkeys(key for row in rows for key in row if key.startswith(FLIPS)))
    rates = [[100 * row.get(name, float("nan")) for row in rows] for name in names]
    figure = Figure(figsize=(9, 0.8 + 0.28 * len(names)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(rates, aspect="auto", cmap="viridis", extent=(0.5, len(rows) + 0.5, len(names) - 0.5, -0.5))
    axes.set_yticks(range(len(names)), [name.removeprefix(FLIPS).removesuffix(".weight") for name in names])
    axes.set_xlabel("epoch")
    figure.colorbar(image, label="flipped signs, %")
    return figure
