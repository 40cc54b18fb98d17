"""The two alphabets of a binarized network, their value at zero and their encoding as bits.

Everything that stores, packs or computes with bits reads its conventions here; the C++ twin is
``native/src/base/alphabet.h`` and a test compares the two.

==============  ============  ==============================  =============
alphabet        values        value at zero                   bit 1 means
==============  ============  ==============================  =============
``PM1``         {-1, +1}      ``sign(0) = sign(-0) = +1``     +1
``ZERO_ONE``    {0, 1}        ``step(0) = step(-0) = 0``      1
==============  ============  ==============================  =============

A third symbol at zero (what ``torch.sign`` returns) cannot be stored in one bit, hence the tie rules.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Alphabet(Enum):
    """The set of values a binarized tensor may hold; the enum value is the code used in ``.sbn`` files."""

    PM1 = 1
    ZERO_ONE = 2

    @property
    def low(self) -> int:
        """The number that bit 0 stands for."""
        return -1 if self is Alphabet.PM1 else 0

    @property
    def high(self) -> int:
        """The number that bit 1 stands for."""
        return 1

    @property
    def at_zero(self) -> int:
        """The value that a real 0 (of either sign) is binarized to."""
        return 1 if self is Alphabet.PM1 else 0


WORD_BITS = 64
"""Packed rows are processed in words of this many bits; rows are padded to whole words in memory."""

PADDING_BIT = 0
"""The value of every bit past the end of a packed row, in files and in memory."""

BIT_ORDER: Final = "little"
"""Element ``i`` of a row is bit ``i % 8`` (least significant first) of octet ``i // 8``."""
