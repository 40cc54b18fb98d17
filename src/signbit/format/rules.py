"""The error for a broken rule of the format, and the one rule that values and operations share."""

from __future__ import annotations

import math

from signbit.errors import ConfigError
from signbit.format.layout import MAX_ELEMENTS, MAX_EXTENT


class RuleError(ConfigError):
    """A graph breaks a rule of the format.

    Parameters
    ----------
    message : the rule and the value found.
    table : ``"header"``, ``"value"`` or ``"node"``: the kind of record that holds the offending field.
    field : name of the field, attribute, scalar or blob slot; ``inputs.1`` and the like for one element of an array.
    index : number of the record in its table; -1 while it isn't known.
    """

    def __init__(self, message: str, table: str, field: str, index: int = -1) -> None:
        self.message, self.table, self.field, self.index = message, table, field, index
        where = f"{table} {index}, " if index >= 0 else ""
        super().__init__(f"{where}{field}: {message}")


def check_extent(shape: tuple[int, int, int], table: str, field: str, index: int = -1) -> None:
    """H, W and C are 1 .. 2^20 each and 2^26 together."""
    for axis, extent in enumerate(shape):
        if not 1 <= extent <= MAX_EXTENT:
            where = f"shape.{axis}" if field == "shape" else field
            raise RuleError(f"H, W, C are {shape}; each must be 1 .. 2^20", table, where, index)
    if math.prod(shape) > MAX_ELEMENTS:
        raise RuleError(f"H x W x C is {math.prod(shape)} for {shape}; at most 2^26 is allowed", table, field, index)
