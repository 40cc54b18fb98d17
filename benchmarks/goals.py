"""The goals for inference, each with what was measured for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """One line of the table of goals; ``measured`` is None where no row of the results bears on it."""

    goal: str
    where: str
    measured: float | None
    wanted: float
    unit: str = "x"
    at_most: bool = False

    def verdict(self) -> str:
        if self.measured is None:
            return "not measured in this run"
        if self.measured <= self.wanted if self.at_most else self.measured >= self.wanted:
            return "reached"
        return f"{100 * self.measured / self.wanted:.0f} % of the goal"


def fastest_peer(row: Row, binary_openvino_only: bool = False) -> tuple[str, float]:
    """Name and milliseconds of the fastest other engine."""
    others = {name: ms for name, ms in row["ms"].items() if name != "signbit"}
    if binary_openvino_only:
        others = {name: ms for name, ms in others.items() if name.startswith("openvino binary")}
    name = min(others, key=others.__getitem__)
    return name, others[name]


def outcomes(result: Mapping[str, Any]) -> Iterator[Outcome]:
    """Every goal, for every row of the results that it speaks of."""
    networks, layers = result["networks"], result["layers"]
    resnets = [row for row in networks if row["model"] in ("birealnet18", "resnet18") and row["size"] == 224]
    for cap, wanted in (("none", 1.5), ("avx512_vpopcntdq", 2.5), ("avx2", 2.5)):
        goal = f"binary ResNet-18 topology against the fastest peer in any precision, cap: {cap}"
        yield from _speed(goal, [row for row in resnets if _is(row, cap=cap)], wanted)
    alexnets = [row for row in networks if _is(row, model="alexnet", cap="none")]
    yield from _speed("binary AlexNet against the fastest peer in any precision", alexnets, 4.0)
    binarynets = [row for row in networks if _is(row, model="binarynet", cap="none")]
    yield from _speed("BinaryNet, CIFAR-10, against OpenVINO binary", binarynets, 2.0, binary_only=True)
    yield from _ceilings(layers, result["ceilings"])
    yield from _scaling(networks)
    yield from _files(networks)
    yield Outcome("`import signbit`", "", result["import_ms"], 100, "ms", at_most=True)
    wheel = result["wheel_bytes"]
    yield Outcome("deployment wheel", "", wheel and wheel / 1e6, 2, "MB", at_most=True)
    yield from _many_images(result["many_images"])


def _is(row: Row, **wanted: object) -> bool:
    return all(value in row["caps"] if name == "cap" else row[name] == value for name, value in wanted.items())


def label(row: Row) -> str:
    """What a row of the results is about, in words."""
    if "model" in row:
        return f"{row['model']} {row['method']} {row['size']}x{row['size']}"
    return f"{row['size']}x{row['size']}x{row['channels']} {row['kernel']}x{row['kernel']}"


def _speed(goal: str, rows: list[Row], wanted: float, *, binary_only: bool = False) -> Iterator[Outcome]:
    for row in rows:
        peer, ms = fastest_peer(row, binary_only)
        where = f"{label(row)}, {row['threads']} thread(s), {peer}"
        yield Outcome(goal, where, ms / row["ms"]["signbit"], wanted)
    if not rows:
        yield Outcome(goal, "", None, wanted)


def _ceilings(layers: list[Row], measured: list[Row]) -> Iterator[Outcome]:
    goal = "each layer, norm and sign fused, of the tier's ceiling on one core"
    known = [row for row in measured if row["gmacs_per_second"] is not None]
    ceilings = {row["isa"]: max(r["gmacs_per_second"] for r in known if r["isa"] == row["isa"]) for row in known}
    rows = [(row, cap) for row in layers if row["threads"] == 1 for cap in row["caps"] if cap in ceilings]
    for row, cap in rows:
        rate = row["products"] / row["ms"]["signbit"] * 1e-6
        yield Outcome(goal, f"{label(row)}, {cap}", 100 * rate / ceilings[cap], 60, "%")
    if not rows:
        yield Outcome(goal, "", None, 60, "%")


def _scaling(networks: list[Row]) -> Iterator[Outcome]:
    goal = "two threads against one, whole networks"
    one = {label(row): row["ms"]["signbit"] for row in networks if _is(row, cap="none", threads=1)}
    rows = [row for row in networks if _is(row, cap="none", threads=2) and label(row) in one]
    for row in rows:
        yield Outcome(goal, label(row), one[label(row)] / row["ms"]["signbit"], 1.8)
    if not rows:
        yield Outcome(goal, "", None, 1.8)


def _many_images(measured: Mapping[str, Any]) -> Iterator[Outcome]:
    few, many = measured["runs"]
    where = f"`signbit run`, {many['images']:,} JPEG files, {many['images'] / many['seconds']:.0f} images/s"
    busy = 100 * many["cpu_seconds"] / many["seconds"] / measured["cores"]
    yield Outcome("many images: cores kept busy", where, busy, 90, "%")
    where = f"{many['images']:,} files against {few['images']:,}, {many['peak_bytes'] / 1e6:.0f} MB"
    yield Outcome("many images: peak memory", where, many["peak_bytes"] / few["peak_bytes"], 1.1, at_most=True)


def _files(networks: list[Row]) -> Iterator[Outcome]:
    for row in networks:
        if not _is(row, cap="none", threads=1):
            continue
        off = 100 * abs(row["sbn_bytes"] / row["predicted_bytes"] - 1)
        yield Outcome("file size against what `summary` predicts", label(row), off, 2, "%", at_most=True)
        if row["model"] == "alexnet":
            smaller = row["float_bytes"] / row["sbn_bytes"]
            yield Outcome("binary AlexNet's file against its float file", label(row), smaller, 20)
        if row["sbn_bytes"] < 2_000_000:
            where = f"{label(row)}, {row['sbn_bytes']:,} bytes"
            yield Outcome("opening a session", where, row["open_ms"], 10, "ms", at_most=True)
