"""Checkpoints that are whole or absent, and that are read without running code from them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import CheckpointIO
from torch import Tensor

from signbit.errors import DataError
from signbit.files import atomic_write

FOLDER = "checkpoints"
LAST, BEST = f"{FOLDER}/last.ckpt", f"{FOLDER}/best.ckpt"
NETWORK = "network."


class AtomicCheckpointIO(CheckpointIO):  # type: ignore[misc]
    """Writes through a temporary file in the same folder; reads tensors and plain values only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write ``checkpoint``; a reader of ``path`` sees the old one or the new one."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            torch.save(checkpoint, temporary)

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
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"checkpoint {path} is damaged or not ours: {reason}; use another one of the run") from error
    return checkpoint


def network_weights(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The network's part of a checkpoint's weights, under the network's own names."""
    state: dict[str, Tensor] = checkpoint["state_dict"]
    return {name.removeprefix(NETWORK): value for name, value in state.items() if name.startswith(NETWORK)}


def checkpoint_callbacks(run: Path) -> list[ModelCheckpoint]:
    """Keep the best epoch on validation (the earliest of equals) and the last one. Best goes first: last records it."""
    common: dict[str, Any] = {
        "dirpath": run / FOLDER,
        "save_on_train_epoch_end": True,
        "enable_version_counter": False,
        "auto_insert_metric_name": False,
    }
    best = ModelCheckpoint(filename="best", monitor="val_accuracy", mode="max", save_top_k=1, **common)
    last = ModelCheckpoint(filename="last", **common)
    return [best, last]
