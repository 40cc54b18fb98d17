"""Keep memory that training frees, instead of returning it to the system and asking for it again every step."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Parameters of glibc's ``mallopt``."""

LARGE = 2**31 - 1
PAD = 64 * 2**20


def keep_freed_memory() -> bool:
    """Tell glibc to serve activations from its heap and keep it: a returned page must be zeroed to come back.

    A step of a small binary network allocates and frees hundreds of buffers of some megabytes; by default each is
    mapped and unmapped anew. The setting holds for the whole process. Returns whether it was made (glibc only).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    settings = ((M_MMAP_THRESHOLD, LARGE), (M_TRIM_THRESHOLD, LARGE), (M_TOP_PAD, PAD))
    return all(mallopt(parameter, value) == 1 for parameter, value in settings)
