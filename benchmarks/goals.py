"""The goals for inference, each with what was measured for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from signbit.cli.turns import Ratio

Row = Mapping[str, Any]
RESNETS = ("birealnet18", "resnet18")
OTHER_CPU = "not on this CPU"


@dataclass(frozen=True)
class Outcome:
    """One line of the table of goals.

    Attributes
    ----------
    measured : None where no row of the results bears on it.
    quartiles : of the rounds, where the figure is the median of a ratio in each.
    networks, layers, files : rows of the results that explain the figure: by a profile, by the parts of a layer, and by
        what fills a file.
    unmeasured : why there is no figure.
    """

    goal: str
    where: str
    measured: float | None
    wanted: float
    unit: str = "x"
    at_most: bool = False
    quartiles: tuple[float, float] | None = None
    networks: Sequence[Row] = ()
    layers: Sequence[Row] = ()
    files: Sequence[Row] = ()
    unmeasured: str = "not measured in this run"

    def reached(self) -> bool:
        if self.measured is None:
            return False
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted

    def within_noise(self) -> bool:
        """Whether a quarter of the rounds, at least, would say otherwise."""
        return self.quartiles is not None and self.quartiles[0] <= self.wanted <= self.quartiles[1]

    def verdict(self) -> str:
        if self.measured is None:
            return self.unmeasured
        if self.reached():
            words = "reached"
        else:
            words = f"{100 * self.measured / self.wanted:.0f} % of the goal" if self.wanted else "missed"
        return f"{words}, within noise" if self.within_noise() else words


def fastest_peer(row: Row, kind: str = "") -> tuple[str, float] | None:
    """Name and milliseconds of the fastest other engine with ``kind`` in its name; None if none ran."""
    others = {name: ms for name, ms in row["ms"].items() if name != "signbit" and kind in name}
    return min(others.items(), key=lambda item: item[1]) if others else None


def speedup(row: Row, peer: str) -> Ratio:
    """How many times faster than another engine ours is, round by round."""
    return Ratio.of(row["rounds"][peer], row["rounds"]["signbit"])


def on_two_threads(networks: Sequence[Row]) -> Iterator[tuple[Row, Row]]:
    """The rows of each network under each cap on one thread and on two."""
    one = {(label(row), tuple(row["caps"])): row for row in networks if row["threads"] == 1}
    for row in networks:
        single = one.get((label(row), tuple(row["caps"])))
        if row["threads"] == 2 and single is not None:
            yield single, row


def gain(one: Row, two: Row, engine: str) -> Ratio:
    """How many times faster an engine is on two threads than on one, round by round."""
    return Ratio.of(one["rounds"][engine], two["rounds"][engine])


def label(row: Row) -> str:
    """What a row of the results is about, in words."""
    if "model" in row:
        return f"{row['model']} {row['method']} {row['size']}x{row['size']}"
    return f"{row['size']}x{row['size']}x{row['channels']} {row['kernel']}x{row['kernel']}"


def outcomes(result: Mapping[str, Any]) -> Iterator[Outcome]:
    """Every goal, for every row of the results that it speaks of."""
    networks, tiers = result["networks"], result["environment"]["tiers"]
    resnets = [row for row in networks if row["model"] in RESNETS and row["size"] == 224]
    for tier, wanted, kind in (("amx_int8", 1.5, ""), ("avx512_vpopcntdq", 2.5, "int8"), ("avx2", 2.5, "int8")):
        goal = f"binary ResNet-18 topology against the fastest peer in {kind or 'any precision'}, tier {tier}"
        # Without a cap a run is on the best tier.
        caps = {tier, "none"} if tiers[0] == tier else {tier}
        rows = [row for row in resnets if caps & set(row["caps"])]
        yield from _speed(goal, rows, wanted, None if tier in tiers else OTHER_CPU, kind=kind)
    uncapped = [row for row in networks if "none" in row["caps"]]
    alexnets = [row for row in uncapped if row["model"] == "alexnet"]
    yield from _speed("binary AlexNet against the fastest peer in any precision", alexnets, 4.0)
    binarynets = [row for row in uncapped if row["model"] == "binarynet"]
    yield from _speed("BinaryNet, CIFAR-10, against OpenVINO binary", binarynets, 2.0, kind="openvino binary")
    yield from _ceilings(result["tiers"], result["ceilings"])
    yield from _scaling(uncapped)
    yield from _files([row for row in uncapped if row["threads"] == 1])
    yield from _deployment(result)
    yield from _many_images(result["many_images"])


def _speed(
    goal: str, rows: list[Row], wanted: float, unmeasured: str | None = None, *, kind: str = ""
) -> Iterator[Outcome]:
    for row in rows:
        where = f"{label(row)}, {row['threads']} thread(s)"
        peer = fastest_peer(row, kind)
        if peer is None:
            yield Outcome(goal, where, None, wanted, unmeasured="no such peer ran")
        else:
            yield _by_rounds(goal, f"{where}, {peer[0]}", speedup(row, peer[0]), wanted, [row])
    if not rows:
        yield Outcome(goal, "", None, wanted, **({"unmeasured": unmeasured} if unmeasured else {}))


def _by_rounds(goal: str, where: str, ratio: Ratio, wanted: float, networks: Sequence[Row]) -> Outcome:
    return Outcome(goal, where, ratio.median, wanted, quartiles=(ratio.low, ratio.high), networks=networks)


def _ceilings(layers: list[Row] | None, ceilings: list[Row] | None) -> Iterator[Outcome]:
    goal = "each layer of 115.6 million products, norm and sign fused, of the tier's ceiling on one core"
    for row in layers or ():
        low, high = row["quartiles"]
        where, quartiles = f"{label(row)}, {row['isa']}", (100 * low, 100 * high)
        yield Outcome(goal, where, 100 * row["share"], 60, "%", quartiles=quartiles, layers=[row])
    if layers is None:
        yield Outcome(goal, "", None, 60, "%")
    for row in ceilings or ():
        if row["gmacs_per_second"] is None:
            yield Outcome(goal, row["isa"], None, 60, "%", unmeasured=OTHER_CPU)


def _scaling(networks: list[Row]) -> Iterator[Outcome]:
    goal = "two threads against one, whole networks"
    pairs = list(on_two_threads(networks))
    for one, two in pairs:
        yield _by_rounds(goal, label(two), gain(one, two, "signbit"), 1.8, [one, two])
    if not pairs:
        yield Outcome(goal, "", None, 1.8)


def _files(networks: list[Row]) -> Iterator[Outcome]:
    predicted, smaller, opening = (
        "file size against what `summary` predicts",
        "binary AlexNet's file against its float file",
        "opening a session, files below 2 MB",
    )
    for row in networks:
        off = 100 * abs(row["sbn_bytes"] / row["predicted_bytes"] - 1)
        yield Outcome(predicted, label(row), off, 2, "%", at_most=True, files=[row])
    alexnets = [row for row in networks if row["model"] == "alexnet"]
    for row in alexnets:
        yield Outcome(smaller, label(row), row["float_bytes"] / row["sbn_bytes"], 20, files=[row])
    small = [row for row in networks if row["sbn_bytes"] < 2_000_000]
    for row in small:
        where = f"{label(row)}, {row['sbn_bytes']:,} bytes"
        yield Outcome(opening, where, row["open_ms"], 10, "ms", at_most=True, files=[row])
    for goal, rows, wanted, unit in (
        (predicted, networks, 2, "%"),
        (smaller, alexnets, 20, "x"),
        (opening, small, 10, "ms"),
    ):
        if not rows:
            yield Outcome(goal, "", None, wanted, unit, at_most=unit != "x")


def _deployment(result: Mapping[str, Any]) -> Iterator[Outcome]:
    wheel = result["wheel"]
    others = wheel and [name for name in wheel["requires"] if not name.startswith("numpy")]
    yield Outcome("`import signbit`", "", result["import_ms"], 100, "ms", at_most=True)
    yield Outcome("deployment wheel", "", wheel and wheel["bytes"] / 1e6, 2, "MB", at_most=True)
    where = wheel and ", ".join(wheel["requires"])
    yield Outcome("dependencies besides numpy", where or "", wheel and len(others), 0, "", at_most=True)


def share_of_cores(run: Row, cores: int) -> float:
    """Processor seconds of a run over those that it could have had."""
    return float(run["cpu_seconds"] / (cores * run["seconds"] - run["stolen_seconds"]))


def _many_images(measured: Mapping[str, Any] | None) -> Iterator[Outcome]:
    busy, memory = "many images: cores kept busy", "many images: peak memory"
    if measured is None:
        yield Outcome(busy, "", None, 90, "%")
        yield Outcome(memory, "", None, 1.1, at_most=True)
        return
    few, many = measured["runs"]
    where = f"`signbit run`, {many['images']:,} JPEG files, {many['images'] / many['seconds']:.0f} images/s"
    yield Outcome(busy, where, 100 * share_of_cores(many, measured["cores"]), 90, "%")
    where = f"{many['images']:,} files against {few['images']:,}, {many['peak_bytes'] / 1e6:.0f} MB"
    yield Outcome(memory, where, many["peak_bytes"] / few["peak_bytes"], 1.1, at_most=True)
