"""How many dimensions torch sees: vectors, images, images of one pixel. Only a flatten is an operation in the file."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from signbit.errors import ExportError
from signbit.exporter.emit import Emitter
from signbit.exporter.symbol import Symbol


class BatchSize:
    """Stands for the number of images, which a file leaves open; it can be passed on but not computed with."""


BATCH = BatchSize()


def flatten(_emit: Emitter, where: str, x: Symbol, start_dim: int = 0, end_dim: int = -1) -> Symbol:
    """``torch.flatten(x, 1)``: a vector; an image's features keep the order of the file."""
    if start_dim != 1 or end_dim not in (-1, x.rank - 1):
        raise ExportError(f"{where}: flattens dimensions {start_dim} to {end_dim}; use torch.flatten(x, 1)")
    return x.flattened(where)


def _image_of_one_pixel(x: Symbol, added: int, where: str) -> Symbol:
    """With ``added`` more dimensions of size one at the end."""
    if x.rank + added > 4 or x.shape[:2] != (1, 1) or x.order is not None:
        raise ExportError(f"{where}: only a vector of channels can become an image of one pixel: v[:, :, None, None]")
    return replace(x, rank=x.rank + added)


def getitem(_emit: Emitter, where: str, x: Symbol, index: Any) -> Symbol:
    """``v[:, :, None, None]`` and ``v[..., None]``."""
    entries = index if isinstance(index, tuple) else (index,)
    added = sum(entry is None for entry in entries)
    kept = list(entries[: len(entries) - added])
    if kept not in ([Ellipsis], [slice(None)] * x.rank):
        raise ExportError(f"{where}: picks parts of a tensor; only [:, :, None, None] is known, and SubsamplePad")
    return _image_of_one_pixel(x, added, where)


def unsqueeze(_emit: Emitter, where: str, x: Symbol, dim: int) -> Symbol:
    """``v.unsqueeze(-1)``."""
    if dim not in (-1, x.rank):
        raise ExportError(f"{where}: adds dimension {dim}; only dimensions at the end can be added: unsqueeze(-1)")
    return _image_of_one_pixel(x, 1, where)


def view(emit: Emitter, where: str, x: Symbol, *sizes: Any) -> Symbol:
    """A vector, or an image of one pixel."""
    wanted = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
    count = int(np.prod(x.shape))
    if list(wanted) in ([first, channels, 1, 1] for first in (BATCH, -1) for channels in (count, -1)):
        return _image_of_one_pixel(x, 4 - x.rank, where)
    batch_first = len(wanted) == 2 and (wanted[0] is BATCH or (wanted[0] == -1 and wanted[1] == count))
    if not (batch_first and wanted[1] in (-1, count)):
        raise ExportError(
            f"{where}: only views as a vector or as an image of one pixel are known; use torch.flatten(x, 1)"
        )
    return flatten(emit, where, x, 1)


def size(_emit: Emitter, _where: str, x: Symbol, dim: int | None = None) -> Any:
    """``x.size()`` and ``x.size(dim)``; the number of images stays open."""
    height, width, channels = x.shape
    sizes = (BATCH, channels, height, width)[: x.rank]
    return sizes if dim is None else sizes[dim]


def attribute(emit: Emitter, where: str, x: Symbol, name: str) -> Any:
    """``x.shape``."""
    if name != "shape":
        raise ExportError(f"{where}: reads attribute {name!r} of a tensor; only shape is known")
    return size(emit, where, x)


TOWARDS_IMAGES = frozenset(
    {operator.getitem, torch.unsqueeze, "unsqueeze", "view", "reshape", torch.flatten, "flatten"}
)
"""What a tensor ``[N, C, 1]``, on its way to an image of one pixel, may be given to."""
