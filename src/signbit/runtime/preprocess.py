"""From pixels to the network's input, as the file's metadata says: ``(pixel / 255 - mean) / std``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import numpy.typing as npt

from signbit.errors import DataError, MissingDependencyError, ShapeError

FloatArray = npt.NDArray[np.float32]
Shape = tuple[int, int, int]

_MODES = {1: "L", 3: "RGB"}


def prepare(pixels: npt.NDArray[np.uint8], metadata: Mapping[str, Any], input_shape: Shape) -> FloatArray:
    """Scale and normalise a batch of images: ``x = (pixel / 255 - mean[c]) / std[c]``.

    Parameters
    ----------
    pixels : uint8 ``[N, H, W, C]`` or ``[N, C, H, W]``, channels in the order of the network (RGB, or one grey);
        where both readings fit, the second is taken.
    metadata : a file's metadata; without ``input`` there, mean is 0 and std is 1.
    input_shape : ``(C, H, W)`` of the network.

    Returns
    -------
    float32 ``[N, C, H, W]``.

    Errors
    ------
    ShapeError : the pixels have another shape or element type.
    DataError : the metadata's ``input`` is malformed.

    >>> prepare(np.full((1, 1, 2, 1), 255, np.uint8), {"input": {"mean": [0.5], "std": [0.5]}}, (1, 1, 2)).tolist()
    [[[[1.0, 1.0]]]]
    """
    channels, height, width = input_shape
    if pixels.dtype != np.uint8:
        raise ShapeError(f"pixels must be uint8 (0 .. 255), not {pixels.dtype}; floats go to Session.run as they are")
    if pixels.shape[1:] != input_shape:
        if pixels.shape[1:] != (height, width, channels):
            raise ShapeError(
                f"the network reads [N, {channels}, {height}, {width}] or [N, {height}, {width}, {channels}] pixels, "
                f"not {list(pixels.shape)}"
            )
        pixels = pixels.transpose(0, 3, 1, 2)
    mean, std = _normalisation(metadata, channels)
    scaled: FloatArray = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(scaled)


@final
class ImageReader:
    """Reads image files as inputs of one network: ``reader(path)`` is float32 ``[1, C, H, W]``. Safe in threads.

    Any format that Pillow reads; turned upright by its EXIF tag, converted to grey or RGB, then :func:`prepare`.

    Parameters
    ----------
    metadata, input_shape : as for :func:`prepare`.
    resize : scale an image of another size to the network's, ignoring its aspect ratio; default: refuse it.

    Errors
    ------
    MissingDependencyError : Pillow is not installed.
    DataError : the network reads no images, or its metadata is malformed; when called, the file is not a readable image
        or has the wrong size.
    """

    def __init__(self, metadata: Mapping[str, Any], input_shape: Shape, resize: bool = False) -> None:
        try:
            import PIL.Image
            import PIL.ImageOps  # noqa: F401
        except ImportError:
            raise MissingDependencyError("pillow", "reading image files", "images") from None
        self._metadata, self._input_shape, self._resize = metadata, input_shape, resize
        self._mode = _mode(metadata, input_shape[0])
        _normalisation(metadata, input_shape[0])

    def __call__(self, path: str | os.PathLike[str]) -> FloatArray:
        from PIL import Image, ImageOps

        channels, height, width = self._input_shape
        try:
            with Image.open(path) as opened:
                image = ImageOps.exif_transpose(opened).convert(self._mode)
        except Exception as error:  # Pillow's parsers raise whatever a damaged file makes them stumble over
            reason = getattr(error, "strerror", None) or "it is not an image, or damaged"
            raise DataError(
                f"cannot read {path}: {reason}; give a PNG, JPEG or another file that Pillow reads"
            ) from error
        if image.size != (width, height):
            if not self._resize:
                found = f"{image.size[0]} x {image.size[1]}"
                raise DataError(
                    f"{path} is {found} pixels, the network reads {width} x {height}; scale it with --resize"
                )
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(image, np.uint8).reshape(1, height, width, channels).transpose(0, 3, 1, 2)
        return prepare(pixels, self._metadata, self._input_shape)


def _mode(metadata: Mapping[str, Any], channels: int) -> str:
    """The Pillow mode of the network's images; files that don't say are grey with one channel and RGB with three."""
    stated = _input(metadata).get("mode", _MODES.get(channels))
    if stated is None:
        raise DataError(f"the network reads {channels} channels; images have 1 or 3: use Session.run with arrays")
    if stated != _MODES.get(channels):
        raise DataError(
            f"the file's metadata says mode {stated!r} for {channels} channels; 'L' (1) or 'RGB' (3) is allowed"
        )
    return str(stated)


def _input(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    stated = metadata.get("input", {})
    if not isinstance(stated, Mapping):
        raise DataError(f"the file's metadata has {stated!r} for 'input'; an object with mean, std and mode is needed")
    return stated


def _normalisation(metadata: Mapping[str, Any], channels: int) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation, each ``[C, 1, 1]``."""
    found = []
    for name, default in (("mean", 0.0), ("std", 1.0)):
        numbers = _input(metadata).get(name, [default] * channels)
        if not (
            isinstance(numbers, list)
            and len(numbers) == channels
            and all(isinstance(number, (int, float)) and abs(number) < 1e30 for number in numbers)
            and (name == "mean" or all(number > 1e-30 for number in numbers))
        ):
            kind = "numbers" if name == "mean" else "positive numbers"
            raise DataError(f"the file's metadata has {name} {numbers!r}; a list of {channels} {kind} is needed")
        found.append(np.array(numbers, np.float32).reshape(channels, 1, 1))
    return found[0], found[1]
