"""Checkpoints that are whole or absent, and that are read without running code from them."""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import CheckpointIO
from torch import Tensor

from signbit.errors import DataError
from signbit.files import atomic_link, make_folder, write_bytes_atomically

FOLDER = "checkpoints"
LAST, BEST = f"{FOLDER}/last.ckpt", f"{FOLDER}/best.ckpt"
EARLIER = "epoch-*.ckpt"
NETWORK = "network."


class AtomicCheckpointIO(CheckpointIO):  # type: ignore[misc]
    """Writes through a temporary file in the same folder; reads tensors and plain values only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write ``checkpoint``; a reader of ``path`` sees the old one or the new one."""
        make_folder(Path(path).parent)
        # Written to memory first: torch's own writer reports a full disk as a failed assertion.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_bytes_atomically(path, content.getbuffer())

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any = None,  # noqa: ARG002 - the interface is Lightning's
        weights_only: bool | None = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Read a checkpoint, see :func:`read_checkpoint`."""
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU.

    Errors: :class:`DataError` if the file is missing, damaged or holds anything but tensors and plain values.
    """
    if not path.is_file():
        raise DataError(f"there is no checkpoint {path}; the run ended before its first epoch was over, train it again")
    try:
        _check_sums(path)
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError, zipfile.BadZipFile) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"checkpoint {path} is damaged or not ours: {reason}; use another one of the run") from error
    return checkpoint


def _check_sums(path: Path) -> None:
    """Compare the sums that torch writes beside every tensor and does not look at when it reads."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"wrong check sum of its part {damaged}")


def network_weights(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The network's part of a checkpoint's weights, under the network's own names."""
    state: dict[str, Tensor] = checkpoint["state_dict"]
    return {name.removeprefix(NETWORK): value for name, value in state.items() if name.startswith(NETWORK)}


def newest_usable(run: Path) -> tuple[Path | None, list[DataError]]:
    """The newest checkpoint of ``run`` that can be read, and what is wrong with the newer ones.

    None where there is no checkpoint at all: the run did not finish an epoch.

    Errors: :class:`DataError` if there are checkpoints and all of them are damaged.
    """
    earlier = sorted((run / FOLDER).glob(EARLIER), key=_epoch, reverse=True)
    damage: list[DataError] = []
    for path in [path for path in (run / LAST, *earlier) if path.is_file()]:
        try:
            read_checkpoint(path)
        except DataError as error:
            damage.append(error)
        else:
            return path, damage
    if damage:
        raise damage[0]
    return None, []


class KeepBest(Checkpoint):  # type: ignore[misc]
    """Saves ``best.ckpt`` after an epoch that is better on validation than all before it: the earliest of equals stays.

    The accuracy to beat is in every checkpoint, and no path: it holds wherever the folder of the run is moved to.

    Parameters
    ----------
    run : the run's folder.
    """

    def __init__(self, run: Path) -> None:
        self._path = run / BEST
        self._best = -math.inf

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Compare, and save."""
        accuracy = trainer.callback_metrics["val_accuracy"].item()
        if accuracy > self._best:
            self._best = accuracy
            trainer.save_checkpoint(self._path)

    def state_dict(self) -> dict[str, Any]:
        """The best accuracy so far."""
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self._best = state_dict["best"]


class KeepLast(Checkpoint):  # type: ignore[misc]
    """Saves ``last.ckpt`` at the end of every epoch, and keeps those of the last epochs as ``epoch-N.ckpt``.

    Parameters
    ----------
    run : the run's folder.
    keep : how many epochs, >= 1; for 1 there is ``last.ckpt`` alone.
    """

    def __init__(self, run: Path, keep: int) -> None:
        self._run, self._keep = run, keep

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Save; the newest one also bears its epoch, counted from 1."""
        last = self._run / LAST
        trainer.save_checkpoint(last)
        if not trainer.is_global_zero or self._keep == 1:
            return
        atomic_link(last, last.with_name(f"epoch-{trainer.current_epoch + 1}.ckpt"))
        for path in sorted(last.parent.glob(EARLIER), key=_epoch)[: -self._keep]:
            path.unlink(missing_ok=True)


def _epoch(path: Path) -> int:
    number = path.stem.partition("-")[2]
    return int(number) if number.isdigit() else 0


def checkpoint_callbacks(run: Path, keep: int) -> list[Checkpoint]:
    """Keep the best epoch on validation and the last ones. Best goes first: last records it."""
    return [KeepBest(run), KeepLast(run, keep)]
