"""Landscapes of several runs on one scale: what is looked at, how they are drawn, as what they are stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from signbit.data import Dataset, Split
from signbit.data.loaders import eval_batches
from signbit.data.splits import stratified_holdout
from signbit.errors import ConfigError, DataError
from signbit.landscape.spaces import SPACES, Space
from signbit.landscape.surface import Batches, Loss, surface
from signbit.training import load_run, read_config
from signbit.training.checkpoints import FOLDER, LAST

CALIBRATION_IMAGES = 1000
NORMS = ("kept", "recalibrated")


@dataclass(frozen=True)
class Scan:
    """What is looked at, and how.

    Attributes
    ----------
    space : a name of ``SPACES``.
    dimensions : 1 or 2.
    points : along every direction, >= 2.
    extent : > 0; how far to go; None: the space's own.
    split : "val" or "train"; nobody chooses by the test images.
    images : of the split, a stratified part; None: all.
    norms : statistics of batch norms: "kept" as training left them, or "recalibrated" at every point, on 1000 training
        images at most.
    seed : of the directions, >= 0.
    """

    space: str = "latent"
    dimensions: int = 1
    points: int = 21
    extent: float | None = None
    split: Literal["val", "train"] = "val"
    images: int | None = None
    norms: Literal["kept", "recalibrated"] = "kept"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (("dimensions", (1, 2)), ("split", ("val", "train")), ("norms", NORMS)):
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name!r} is one of {', '.join(map(str, allowed))}; got {getattr(self, name)!r}")
        for name, least in (("points", 2), ("images", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name!r} is at least {least}; got {value}")
        if self.extent is not None and not 0 < self.extent < float("inf"):
            raise ConfigError(f"'extent' is a positive number; got {self.extent}")
        self.coordinates()

    @property
    def kind(self) -> type[Space]:
        """The space's class."""
        kind = SPACES[self.space].target
        assert isinstance(kind, type)
        return kind

    def coordinates(self) -> list[float]:
        """Along every direction."""
        return self.kind.coordinates(self.points, self.kind.EXTENT if self.extent is None else self.extent)

    @property
    def size(self) -> int:
        """Points of one run."""
        return int(len(self.coordinates()) ** self.dimensions)


@dataclass(frozen=True)
class Landscape:
    """The losses around one run.

    Attributes
    ----------
    name : unique in its company.
    run : its folder.
    method : of the run.
    points : the last direction runs fastest.
    centre : the trained network's own, one of the points.
    """

    name: str
    run: str
    method: str
    points: tuple[Loss, ...]
    centre: Loss


@dataclass(frozen=True)
class View:
    """A trained network and all that is needed to draw what lies around it."""

    scan: Scan
    name: str
    run: Path
    method: str
    network: nn.Module
    space: Space
    images: Batches
    calibration: Batches

    def draw(self, step: Callable[[], object] = lambda: None) -> Landscape:
        """The loss at every point; ``step`` is called after each.

        Errors: :class:`ConfigError` where a loss is not finite.
        """
        scan, coordinates = self.scan, self.scan.coordinates()
        losses = surface(
            self.network, self.space, coordinates, scan.dimensions, self.images,
            calibration=self.calibration, step=step,
        )  # fmt: skip
        if not all(math.isfinite(point.loss) for point in losses):
            raise ConfigError(
                f"the loss around {self.run} is not finite at {max(map(abs, coordinates)):g} {scan.kind.LABEL}; take a "
                "smaller extent"
            )
        middle = coordinates.index(0.0)
        centre = losses[middle if scan.dimensions == 1 else middle * len(coordinates) + middle]
        return Landscape(self.name, str(self.run), self.method, tuple(losses), centre)


def look(runs: Sequence[Path], scan: Scan, *, data_dir: str | None = None, checkpoint: str = LAST) -> list[View]:
    """Every run, loaded and checked: what :meth:`View.draw` then needs is time.

    Parameters
    ----------
    runs : folders of trained runs on one data set.
    scan : what is looked at.
    data_dir : where the data set is now, if it has moved.
    checkpoint : which one, relative to a run's folder; default the last epoch's.

    Errors: :class:`ConfigError` for runs on different data sets or a network that the space does not fit,
    :class:`DataError` for a checkpoint that is not there.
    """
    configs = [read_config(run) for run in runs]
    data = sorted({config.data for config in configs})
    if len(data) > 1:
        raise ConfigError(f"losses on different data sets have no common scale; got {', '.join(data)}")
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = [str(run) for run in runs]
    found: dict[str, tuple[Batches, Batches]] = {}
    views = []
    for name, run, config in zip(names, runs, configs, strict=True):
        if not (run / checkpoint).is_file():
            there = sorted(str(path.relative_to(run)) for path in run.glob(f"{FOLDER}/*.ckpt"))
            raise DataError(f"{run} has no {checkpoint}; its checkpoints: {', '.join(there) or 'none'}")
        network, _ = load_run(run, checkpoint)
        space = SPACES[scan.space].target(network, scan.dimensions, scan.seed)
        source = str((config.data_dir, config.data_options, config.normalize))
        if source not in found:
            found[source] = _images(config.load_data(data_dir), scan)
        views.append(View(scan, name, run, config.method, network, space, *found[source]))
    return views


def draw(
    runs: Sequence[Path], scan: Scan, *, data_dir: str | None = None, checkpoint: str = LAST,
    step: Callable[[], object] = lambda: None,
) -> list[Landscape]:  # fmt: skip
    """The landscape of every run, each along directions of its own from the same seed; parameters as of :func:`look`.

    ``step`` is called after every point.
    """
    return [view.draw(step) for view in look(runs, scan, data_dir=data_dir, checkpoint=checkpoint)]


def to_dict(scan: Scan, landscapes: Sequence[Landscape]) -> dict[str, Any]:
    """Plain data."""
    return {"scan": asdict(scan), "coordinates": scan.coordinates(), "runs": [asdict(found) for found in landscapes]}


def _images(dataset: Dataset, scan: Scan) -> tuple[Batches, Batches]:
    """Those that the loss is over, and those that batch norms are recalibrated with."""
    split = getattr(dataset, scan.split)
    if scan.images is not None and scan.images > len(split):
        raise ConfigError(f"'images' is at most the {len(split)} of the split {scan.split!r}; got {scan.images}")
    calibration = _batches(dataset, dataset.train, CALIBRATION_IMAGES) if scan.norms == "recalibrated" else ()
    return _batches(dataset, split, scan.images), calibration


def _batches(dataset: Dataset, split: Split, images: int | None) -> Batches:
    if images is not None and images < len(split):
        split = split.take(stratified_holdout(split.labels, images)[1])
    return list(eval_batches(split, dataset))
