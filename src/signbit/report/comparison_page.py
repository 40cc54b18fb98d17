"""The page of a comparison: who did how well, at what cost, how it came about, and how to do it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from signbit.compare.accounting import precision_schedule
from signbit.compare.deployment import sign_balances
from signbit.compare.reproduce import command_of
from signbit.compare.settings import Comparison, Setting
from signbit.compare.statistics import Estimate, verdict
from signbit.report.charts import Line, against, bars, curves, intervals, mean_line
from signbit.report.comparison_table import PAIR_HEADER, environments, notes, overview, pair_cells
from signbit.report.environments import environment_section
from signbit.report.flip_map import WHAT, flip_map
from signbit.report.page import Page, Section

ACCURACY = "test accuracy, %"


def comparison_page(comparison: Comparison, title: str) -> Page:
    """Everything that the records hold, as a page. Sections that no record has anything for are left out."""
    settings, config = comparison.settings, comparison.runs[0].config
    seeds = sorted({seed for setting in settings for seed in setting.seeds})
    data = dict.fromkeys(run.config.data for run in comparison.runs)
    limit = "" if config.time_budget is None else "at most "
    images = "" if config.train_images is None else f" on {config.train_images:,} images"
    header, rows = overview(comparison)
    sections = [
        Section("Results", verdict(comparison.pairs), [_accuracy(settings)], header, rows, notes=notes(comparison)),
        _cost(settings),
        _learning(settings),
        _flips(settings),
        _balance(settings),
        _precision(settings),
        _frozen(settings),
        _deployment(settings),
        _pairs(comparison),
        Section("Do it again", "One command a run.", code="\n".join(command_of(run) for run in comparison.runs)),
        environment_section(environments(comparison)),
    ]  # fmt: skip
    return Page(
        title=title,
        lead=f"{', '.join(dict.fromkeys(s.model for s in settings))} on {', '.join(data)}: "
        f"{limit}{config.epochs} epochs{images}, batches of {config.batch_size}, augmentation: {config.augment}",
        cards=[
            (str(len(settings)), "settings, in no order of merit"),
            (str(len(comparison.runs)), f"finished runs; seeds {', '.join(map(str, seeds))}"),
            (f"{sum(run.result['seconds'] for run in comparison.runs) / 60:.1f} min", "of training, all runs together"),
            (str(comparison.runs[0].environment.get("cpu") or "-"), "processor"),
        ],
        sections=[section for section in sections if section is not None],
    )


def _test(setting: Setting) -> Estimate:
    """Test accuracy in percent."""
    value = setting.figure("test_accuracy")
    assert value is not None
    return Estimate(100 * value.mean, None if value.half_width is None else 100 * value.half_width, value.count)


def _names(settings: Sequence[Setting]) -> list[str]:
    return [setting.name for setting in settings]


def _accuracy(settings: Sequence[Setting]) -> Figure:
    return intervals(_names(settings), [_test(setting) for setting in settings], ACCURACY)


def _cost(settings: Sequence[Setting]) -> Section:
    """Accuracy beside what it costs."""
    accuracy = [_test(setting) for setting in settings]
    seconds = [setting.figure("cpu_seconds") for setting in settings]
    sizes = [_deployed(setting, "bytes") for setting in settings]
    axes: list[tuple[str, list[float | None]]] = [
        ("training, CPU minutes", [None if value is None else value.mean / 60 for value in seconds]),
        ("training, bit operations", [float(setting.cost.bit_operations) for setting in settings]),
        ("exported file, KB", [None if size is None else size / 1000 for size in sizes]),
    ]
    return Section(
        "Accuracy against cost",
        "Bars, where there are several seeds, are 95 % intervals over them. Bit operations are a count on paper, see "
        "the notes above.",
        [against(_names(settings), x, accuracy, (label, ACCURACY)) for label, x in axes if any(x)],
    )


def _learning(settings: Sequence[Setting]) -> Section:
    def lines(metric: str, factor: float) -> list[Line]:
        return [
            mean_line(s.name, place, [[epoch[metric] for epoch in run.epochs] for run in s.runs], factor)
            for place, s in enumerate(settings)
        ]

    return Section(
        "Learning curves",
        "Mean over the seeds; the band spans the runs.",
        [
            curves(lines("val_accuracy", 100), ("epoch", "validation accuracy, %")),
            curves(lines("train_accuracy", 100), ("epoch", "training accuracy, %")),
            curves(lines("val_loss", 1), ("epoch", "validation loss")),
        ],
    )


def _flips(settings: Sequence[Setting]) -> Section | None:
    maps = [flip_map(setting.name, setting.runs[0].epochs) for setting in settings]
    figures = [figure for figure in maps if figure is not None]
    if not figures:
        return None
    text = WHAT.format(which="; first seed; one colour scale for all")
    return Section("Sign flips, layer by layer", text, figures)


def _balance(settings: Sequence[Setting]) -> Section | None:
    lines = []
    for place, setting in enumerate(settings):
        shares = [100 * share for share in sign_balances(setting.runs[0]).values()]
        if shares:
            lines.append(Line(setting.name, place, range(1, len(shares) + 1), shares))
    if not lines:
        return None
    return Section(
        "Sign balance",
        "Share of +1 among the stored signs of each binary layer after training, first seed. A layer all of whose "
        "signs agree holds no information; 50 % is the most.",
        [curves(lines, ("binary layer, from the input", "signs that are +1, %"))],
    )


def _precision(settings: Sequence[Setting]) -> Section | None:
    weights, gradients = [], []
    for place, setting in enumerate(settings):
        schedule = precision_schedule(setting.runs[0])
        if schedule is not None:
            steps = range(int(setting.runs[0].epochs[-1]["step"]))
            weights.append(Line(setting.name, place, steps, [schedule.bits(step) for step in steps]))
            gradients.append(Line(setting.name, place, steps, [schedule.gradient_bits(step) for step in steps]))
    if not weights:
        return None
    return Section(
        "Precision schedule",
        "Bits of the grids that weights and activations pass on their way to their signs, and those of gradients.",
        [
            curves(weights, ("step", "bits"), stepped=True),
            curves(gradients, ("step", "gradient bits"), stepped=True),
        ],
    )


def _frozen(settings: Sequence[Setting]) -> Section | None:
    figures = []
    for metric, label in (("frozen_layers", "frozen layers, %"), ("resting_weights", "resting weights, %")):
        lines = [
            mean_line(s.name, place, [[epoch.get(metric, 0.0) for epoch in run.epochs] for run in s.runs], 100)
            for place, s in enumerate(settings)
            if metric in s.runs[0].epochs[-1]
        ]
        if lines:
            figures.append(curves(lines, ("epoch", label), span=(-2, 102)))
    if not figures:
        return None
    return Section("Frozen layers, resting weights", "Work that a method has given up, epoch by epoch.", figures)


def _deployment(settings: Sequence[Setting]) -> Section | None:
    known = [setting for setting in settings if setting.runs[0].deployment]
    if not known:
        return None
    records = [setting.runs[0].deployment for setting in known]
    names = _names(known)
    header = ("setting", "bytes", "float32 bytes", "packed layers", "float layers", "same answer as torch, %",
              "native ms")  # fmt: skip
    rows: list[tuple[Any, ...]] = [
        (name, f"{r['bytes']:,}", f"{r['float_bytes']:,}", r["packed_layers"], r["float_layers"],
         f"{100 * r['argmax_agreement']:.2f}", f"{r['native_ms']:.4f}")
        for name, r in zip(names, records, strict=True)
    ]  # fmt: skip
    how = records[0]
    return Section(
        "The exported files",
        f"First seed of every setting. Latency: one image, {how['threads']} thread, tier {how['isa']}, medians of "
        f"{how['repeats']} runs that took turns; ratios hold, absolute times are those of this machine at that moment.",
        [
            bars(_names(settings), [_deployed(s, "native_ms") for s in settings], "native latency, ms"),
            bars(_names(settings), [_deployed(s, "bytes") for s in settings], "file, bytes"),
        ],
        header,
        rows,
    )


def _pairs(comparison: Comparison) -> Section | None:
    if not any(pair.p is not None for pair in comparison.pairs):
        return None
    text = (
        "Test accuracy of the first minus the second, over the seeds that both have, with 95 % intervals. An interval "
        "is about its own pair; p and what follows from it are adjusted for the number of pairs."
    )
    return Section("Pair by pair", text, header=PAIR_HEADER, rows=pair_cells(comparison))


def _deployed(setting: Setting, name: str) -> float | None:
    return setting.runs[0].deployment.get(name)
