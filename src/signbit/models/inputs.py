"""What a model is told about its input, and by which settings."""

from __future__ import annotations

from collections.abc import Iterable

from signbit.errors import ConfigError

InputSize = tuple[int, int, int, int]
"""``(1, channels, height, width)``."""

SMALL_IMAGE = 64
"""The largest height and width that a network reads at full resolution; larger images are reduced at once."""


def checked_input_size(model: str, input_size: InputSize, *, least: int) -> tuple[int, int, int]:
    """Channels, height and width, all >= 1 and height and width >= ``least``; ConfigError otherwise."""
    size = tuple(input_size)
    if len(size) != 4 or size[0] != 1 or not all(isinstance(n, int) and n >= 1 for n in size):
        raise ConfigError(f"{model}: input_size is (1, channels, height, width); got {input_size!r}")
    if min(size[2:]) < least:
        raise ConfigError(f"{model}: images are at least {least} x {least}; got {size[2]} x {size[3]}")
    return size[1], size[2], size[3]


def check_choice(model: str, setting: str, value: object, allowed: Iterable[str]) -> None:
    """ConfigError unless ``value`` is one of ``allowed``."""
    names = list(allowed)
    if value not in names:
        raise ConfigError(f"{model}: {setting} is one of {', '.join(names)}; got {value!r}")
