"""A comparison as figures (JSON, CSV) and as a Markdown document with everything that is needed to repeat it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from signbit.compare.freezing import epochs_left_out, frozen_during
from signbit.compare.records import InstructionCounts
from signbit.compare.reproduce import command_of
from signbit.compare.settings import Comparison, Setting
from signbit.compare.statistics import Estimate, verdict
from signbit.report.environments import Grouped, grouped
from signbit.report.page import NOTHING

HEADER = ("setting", "model", "seeds", "test, %", "validation, %", "best validation, %", "training loss",
          "wall min", "CPU min", "signs flipped, %", "bit operations", "of float's, %",
          "instructions/step")  # fmt: skip
NOTES = (
    "Test and validation: accuracy of the network after the last epoch; the test images were evaluated once, after "
    "training. Best validation: that of the best epoch. Training loss: mean over the first → the last epoch. "
    "Minutes are those of training, mean over seeds.",
    "More than one seed: mean ± half of the 95 % interval (Student's t over seeds).",
    "Signs flipped: share of the binary weights whose sign at the end of an epoch differs from the epoch before, in "
    "the first → the last epoch.",
    "Bit operations of training: products of a step by the bits of their operands, times the images seen; a count on "
    "paper, from which nothing is subtracted for frozen layers and resting weights (docstring of "
    "signbit.metrics.training_operations). The float twin's products count 32 x 32 each.",
)


def figures(comparison: Comparison, setting: Setting) -> dict[str, Any]:
    """One row as plain values: shares 0 .. 1, seconds, counts; None for what was not recorded."""
    row: dict[str, Any] = {"setting": setting.name, "method": setting.method, "model": setting.model}
    row["seeds"] = list(setting.seeds)
    for name in ("test_accuracy", "val_accuracy", "best_val_accuracy", "seconds", "cpu_seconds", "epochs"):
        found = setting.figure(name)
        row[name] = found and found.mean
        row[f"{name}_half_width"] = found and found.half_width
    row["train_loss_first"], row["train_loss_last"] = setting.logged("train_loss", 0), setting.logged("train_loss", -1)
    row["sign_flip_rate_first"], row["sign_flip_rate_last"] = setting.flips(0), setting.flips(-1)
    row["training_bit_operations"] = setting.cost.bit_operations
    row["training_bit_operations_of_float"] = setting.cost.of_float
    row["published_cost_of_float"] = setting.cost.published
    row["instructions_per_step"] = comparison.instructions(setting)
    return row


def to_dict(comparison: Comparison) -> dict[str, Any]:
    """The whole comparison as plain values."""
    return {
        "rows": [
            {**figures(comparison, s), "runs": [str(run.folder) for run in s.runs],
             "commands": [command_of(run) for run in s.runs]}
            for s in comparison.settings
        ],
        "pairs": [
            {"first": pair.first, "second": pair.second, "difference": pair.difference.mean,
             "half_width": pair.difference.half_width, "seeds": pair.difference.count, "p_holm": pair.p}
            for pair in comparison.pairs
        ],
        "verdict": verdict(comparison.pairs),
        "protocol_breaks": comparison.protocol_breaks(),
        "environments": environments(comparison),
    }  # fmt: skip


def to_json(comparison: Comparison) -> str:
    """:func:`to_dict` as text."""
    return json.dumps(to_dict(comparison), indent=2, default=str) + "\n"


def to_csv(comparison: Comparison) -> str:
    """One line a setting."""
    rows = [figures(comparison, setting) for setting in comparison.settings]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "seeds": " ".join(map(str, row["seeds"]))} for row in rows)
    return text.getvalue()


def overview(comparison: Comparison, method: str = "") -> tuple[list[str], list[list[str]]]:
    """Header and one row a setting, for people; without the columns of which nothing is known.

    ``method`` leaves the settings of all others out.
    """
    rows = [_cells(comparison, setting) for setting in comparison.settings if method in ("", setting.method)]
    known = [column for column in range(len(HEADER)) if any(row[column] != NOTHING for row in rows)]
    return [HEADER[i] for i in known], [[row[i] for i in known] for row in rows]


def _cells(comparison: Comparison, setting: Setting) -> tuple[str, ...]:
    """One row, in the order of ``HEADER``."""
    first, last = setting.flips(0), setting.flips(-1)
    loss = setting.logged("train_loss", 0), setting.logged("train_loss", -1)
    instructions = comparison.instructions(setting)
    return (
        setting.name,
        setting.model,
        " ".join(map(str, setting.seeds)),
        percent(setting.figure("test_accuracy")),
        percent(setting.figure("val_accuracy")),
        percent(setting.figure("best_val_accuracy")),
        NOTHING if loss[0] is None or loss[1] is None else f"{loss[0]:.3f} → {loss[1]:.3f}",
        minutes(setting.figure("seconds")),
        minutes(setting.figure("cpu_seconds")),
        NOTHING if first is None or last is None else f"{100 * first:.2f} → {100 * last:.2f}",
        f"{setting.cost.bit_operations:.3g}",
        f"{100 * setting.cost.of_float:.2f}",
        NOTHING if instructions is None else f"{instructions:.4g}",
    )


def markdown(comparison: Comparison, title: str, command: str) -> str:
    """The comparison as a document: table, notes, significance, commands and environment of every run.

    Parameters
    ----------
    command : what wrote the document.
    """
    lines = [f"# {title}", "", f"Written by `{command}` from the records of the runs; not edited by hand.", ""]
    lines += _markdown_table(*overview(comparison))
    lines += ["", *(f"* {note}" for note in notes(comparison)), "", "## Significance", "", verdict(comparison.pairs)]
    if any(pair.p is not None for pair in comparison.pairs):
        lines += ["", *_markdown_table(PAIR_HEADER, pair_cells(comparison))]
    lines += ["", "## Do it again", "", "```", *(command_of(run) for run in comparison.runs), "```"]
    lines += ["", "## Environment", ""]
    for names, environment in environments(comparison):
        lines += [f"{', '.join(names)}:", "", "```", json.dumps(environment, indent=2), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


PAIR_HEADER = ("pair", "difference, points", "seeds", "p (Holm)", "differ at the 5 % level")


def pair_cells(comparison: Comparison) -> list[tuple[str, ...]]:
    """One row a pair of settings, in the order of ``PAIR_HEADER``."""
    return [
        (
            f"{pair.first} - {pair.second}",
            percent(pair.difference, sign="+"),
            str(pair.difference.count),
            "not tested" if pair.p is None else f"{pair.p:.3f}",
            "yes" if pair.differ else "not shown",
        )
        for pair in comparison.pairs
    ]


def notes(comparison: Comparison) -> list[str]:
    """What has to be known to read the table."""
    breaks = comparison.protocol_breaks()
    found = list(NOTES)
    for setting in comparison.settings:
        if setting.cost.published is not None:
            found.append(
                f"{setting.name}: by the formula of CycleBNN's paper the cycle of bits takes "
                f"{100 * setting.cost.published:.2f} % of float32's operations (the paper: 3.91 %)."
            )
        found += _freezing(comparison, setting)
    budgets = sorted({run.config.time_budget for run in comparison.runs if run.config.time_budget is not None})
    if budgets:
        trained = ", ".join(f"{s.name} {epochs.mean:g}" for s in comparison.settings if (epochs := s.figure("epochs")))
        found.append(
            f"Time budget of a run: {', '.join(f'{budget:g}' for budget in budgets)} s of training, as long as the "
            "whole epochs that fit; the schedules span all epochs asked for. "
            f"Epochs trained, mean over seeds: {trained}."
        )
    if comparison.counted is not None:
        found.append(_counted(comparison.counted))
    if breaks:
        listed = "; ".join(f"{name}: {', '.join(map(str, values))}" for name, values in breaks.items())
        found.append(f"Not one protocol: these settings differ between rows: {listed}.")
    return found


def _freezing(comparison: Comparison, setting: Setting) -> list[str]:
    """A sentence on what frozen layers and the early stop saved, beside what SFAO's paper says of its own runs."""
    if not frozen_during(setting.runs[0]):
        return []
    saved = comparison.frozen_saving(setting)
    instructions = "not counted" if saved is None else f"{100 * saved:.2f} %"
    budget = any(run.config.time_budget is not None for run in setting.runs)
    left_out = "not known under a time budget" if budget else f"{100 * epochs_left_out(setting.runs):.2f} %"
    return [
        f"{setting.name}: instructions saved by frozen layers: {instructions} (the paper: 21.89 %, at 0.44 points of "
        f"accuracy); epochs left out by stopping early: {left_out} (the paper: 9.37 % of the time)."
    ]


def _counted(counted: InstructionCounts) -> str:
    frozen = [f"{name}: {count:.4g}" for name, count in counted.counts.items() if ":" in name]
    return (
        f"Instructions a step: {counted.model}, batches of {counted.batch_size}, counted apart from the runs "
        f"({counted.tool})" + (f"; with layers frozen: {', '.join(frozen)}." if frozen else ".")
    )


def environments(comparison: Comparison) -> Grouped:
    """Every environment that occurs, and the runs that took place in it."""
    return grouped(
        (f"{setting.name} (seed {run.config.seed})", run.environment)
        for setting in comparison.settings
        for run in setting.runs
    )


def percent(value: Estimate | None, sign: str = "") -> str:
    """A share in percent, with its interval where there is one.

    >>> percent(Estimate(0.5, None, 1)), percent(Estimate(0.5, 0.0123, 3))
    ('50.00', '50.00 ± 1.23')
    """
    if value is None:
        return NOTHING
    interval = "" if value.half_width is None else f" ± {100 * value.half_width:.2f}"
    return f"{100 * value.mean:{sign}.2f}{interval}"


def minutes(value: Estimate | None) -> str:
    """Seconds as minutes.

    >>> minutes(Estimate(90.0, None, 1))
    '1.50'
    """
    return NOTHING if value is None else f"{value.mean / 60:.{2 if value.mean < 6000 else 0}f}"


def _markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]
