"""What would make an exported network smaller or faster: each hint comes from figures of the report itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signbit.exporter.report import LayerRow

BYTES_SHARE = 0.25
TIME_SHARE = 0.25
"""Shares of the whole from which on a float layer is worth a hint."""

FEW_IMAGES = 10


def hints(layers: Sequence[LayerRow], size: int, images: int) -> tuple[str, ...]:
    """Advice on a report's layers.

    Parameters
    ----------
    size : bytes of the file.
    images : on how many it was verified.
    """
    found = []
    for row in layers:
        if not row.weighted or not row.bytes_after:
            continue
        if row.packed and "real-valued input" in row.reason:
            found.append(f"{row.name} has binary weights but reads real numbers: give it an input_pipeline")
        if row.packed:
            continue
        share = row.bytes_after / size
        if share >= BYTES_SHARE:
            found.append(f"{share:.0%} of the remaining bytes are {row.name}: make it {_binary(row)}")
        elif row.time_share is not None and row.time_share >= TIME_SHARE:
            found.append(f"{row.time_share:.0%} of the time goes into {row.name}, in float: make it {_binary(row)}")
    if images < FEW_IMAGES:
        found.append(f"verified on {images} image(s) only: give real ones as data=, or signbit export --data")
    return tuple(found)


def _binary(row: LayerRow) -> str:
    kind = "BinaryConv2d" if "Conv" in row.kind else "BinaryLinear"
    if "first layer" in row.reason:
        return f"{kind} without an input_pipeline (bits for the weights alone)"
    return kind
