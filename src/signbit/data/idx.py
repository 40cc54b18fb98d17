"""The idx container of MNIST and its kin: a big-endian header, then octets; usually gzipped."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from signbit.errors import DataError

UNSIGNED_BYTE = 0x08
MAX_BYTES = 1 << 30
"""More than any file of this family holds; a damaged header must not decide how much memory is asked for."""


def read_idx(path: Path, rank: int) -> npt.NDArray[np.uint8]:
    """The array of a file ``.../name-idxR-ubyte`` or ``.gz``.

    The header is ``00 00 08 rank``, then ``rank`` big-endian 32-bit sizes.

    Errors: :class:`DataError` if the header is another one, or the file is shorter or longer than the header says.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            header = file.read(4 + 4 * rank)
            if len(header) < 4 + 4 * rank:
                raise _damaged(path, f"a header of {4 + 4 * rank} bytes was expected, {len(header)} are there")
            if header[:4] != bytes((0, 0, UNSIGNED_BYTE, rank)):
                expected = bytes((0, 0, UNSIGNED_BYTE, rank)).hex(" ")
                raise _damaged(path, f"it starts with {header[:4].hex(' ')}, expected {expected}")
            shape = struct.unpack(f">{rank}I", header[4:])
            expected_bytes = math.prod(shape)
            content = file.read(min(expected_bytes, MAX_BYTES) + 1)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, f"the gzip stream of {path.stat().st_size} bytes is broken ({error})") from error
    if len(content) != expected_bytes:
        found = f"{len(content)}" if len(content) < expected_bytes else "more"
        raise _damaged(path, f"{expected_bytes} bytes of content were announced, {found} are there")
    # A copy: torch warns about arrays that nobody may write to.
    return np.array(np.frombuffer(content, np.uint8)).reshape(shape)


def _damaged(path: Path, what: str) -> DataError:
    return DataError(f"{path} is damaged: {what}; delete it and fetch it again")
