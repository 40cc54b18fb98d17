"""Landscapes of several runs on one scale, as they are drawn and stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from signbit.data import Dataset, Split
from signbit.data.loaders import eval_batches
from signbit.data.splits import stratified_holdout
from signbit.errors import ConfigError
from signbit.landscape.spaces import SPACES, Space
from signbit.landscape.surface import Batches, Loss, surface
from signbit.training import load_run, read_config
from signbit.training.checkpoints import LAST

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


def draw(
    runs: Sequence[Path], scan: Scan, *, data_dir: str | None = None, checkpoint: str = LAST,
    step: Callable[[], object] = lambda: None,
) -> list[Landscape]:  # fmt: skip
    """The landscape of every run, each along directions of its own from the same seed.

    Parameters
    ----------
    runs : folders of trained runs on one data set.
    scan : what is looked at.
    data_dir : where the data set is now, if it has moved.
    checkpoint : which one, relative to a run's folder; default the last epoch's.
    step : is called after every point.

    Errors: :class:`ConfigError` for runs on different data sets or a network that the space does not fit.
    """
    data = {str(run): read_config(run).data for run in runs}
    if len(set(data.values())) > 1:
        raise ConfigError(
            f"losses on different data sets have no common scale; got {', '.join(sorted(set(data.values())))}"
        )
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = [str(run) for run in runs]
    return [_landscape(name, run, scan, data_dir, checkpoint, step) for name, run in zip(names, runs, strict=True)]


def to_dict(scan: Scan, landscapes: Sequence[Landscape]) -> dict[str, Any]:
    """Plain data."""
    return {"scan": asdict(scan), "coordinates": scan.coordinates(), "runs": [asdict(found) for found in landscapes]}


def _landscape(
    name: str, run: Path, scan: Scan, data_dir: str | None, checkpoint: str, step: Callable[[], object]
) -> Landscape:
    network, config = load_run(run, checkpoint)
    dataset = config.load_data(data_dir)
    calibration = _batches(dataset, dataset.train, CALIBRATION_IMAGES) if scan.norms == "recalibrated" else ()
    space = SPACES[scan.space].target(network, scan.dimensions, scan.seed)
    coordinates = scan.coordinates()
    losses = surface(
        network, space, coordinates, scan.dimensions, _part(dataset, scan),
        calibration=calibration, step=step,
    )  # fmt: skip
    middle = coordinates.index(0.0)
    centre = losses[middle if scan.dimensions == 1 else middle * len(coordinates) + middle]
    return Landscape(name, str(run), config.method, tuple(losses), centre)


def _part(dataset: Dataset, scan: Scan) -> Batches:
    split = getattr(dataset, scan.split)
    if scan.images is not None and scan.images > len(split):
        raise ConfigError(f"'images' is at most the {len(split)} of the split {scan.split!r}; got {scan.images}")
    return _batches(dataset, split, scan.images)


def _batches(dataset: Dataset, split: Split, images: int | None) -> Batches:
    if images is not None and images < len(split):
        split = split.take(stratified_holdout(split.labels, images)[1])
    return list(eval_batches(split, dataset))
