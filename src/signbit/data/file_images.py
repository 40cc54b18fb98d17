"""Images that stay in their files until somebody looks at them: an array to read from, decoded piece by piece."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import numpy.typing as npt

from signbit.errors import DataError, MissingDependencyError

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]


@final
class FileImages:
    """Behaves as a uint8 array ``[N, 3, size, size]`` whose every access decodes files; nothing is kept.

    A picture is turned upright by its EXIF tag, converted to RGB, scaled so that its shorter side is ``resize``
    (bilinear, antialiased, aspect ratio kept), and its central square of ``size`` is taken: the usual preparation of
    ImageNet's validation images.

    Parameters
    ----------
    folder : that the names are relative to.
    names : byte strings, so that a million of them is one block of memory which worker processes share.
    size : side of the square, >= 1.
    resize : shorter side before the square is cut out, >= size.
    skip_unreadable : what a loader does with a file that cannot be decoded: pass over it, or stop. Default stop.
    workers : processes that a loader decodes in; 0 for none.

    Errors: :class:`MissingDependencyError` without Pillow; :class:`DataError` on access, naming the file that cannot be
    decoded.

    Reference: Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012.
    """

    ndim = 4
    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        folder: Path,
        names: npt.NDArray[np.bytes_],
        *,
        size: int = 224,
        resize: int = 256,
        skip_unreadable: bool = False,
        workers: int = 0,
    ) -> None:
        try:
            import PIL.Image
            import PIL.ImageOps  # noqa: F401
        except ImportError:
            raise MissingDependencyError("pillow", "reading image files", "images") from None
        self.folder, self.names = folder, names
        self.size, self.resize = size, resize
        self.skip_unreadable, self.workers = skip_unreadable, workers
        self._told: set[str] = set()

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(N, 3, size, size)``."""
        return len(self.names), 3, self.size, self.size

    def __len__(self) -> int:
        return len(self.names)

    def take(self, indices: npt.NDArray[np.intp], axis: int = 0) -> FileImages:  # noqa: ARG002 - numpy's signature
        """The images at ``indices``, still in their files."""
        return FileImages(
            self.folder, self.names[indices], size=self.size, resize=self.resize,
            skip_unreadable=self.skip_unreadable, workers=self.workers,
        )  # fmt: skip

    def __getitem__(self, index: slice | npt.NDArray[np.intp]) -> Pixels:
        """Decode the images of a slice or at indices."""
        positions = np.arange(len(self))[index]
        out = np.empty((len(positions), *self.shape[1:]), np.uint8)
        for place, position in zip(out, positions, strict=True):
            place[:] = self.centre(int(position))
        return out

    def readable(self, positions: npt.NDArray[np.intp]) -> tuple[Pixels, npt.NDArray[np.intp]]:
        """The images at ``positions``, without those to be passed over, and the positions of the ones that are there.

        Errors: :class:`DataError` for the first file that cannot be decoded, unless such files are passed over.
        """
        images, kept = [], []
        for position in positions:
            try:
                images.append(self.centre(int(position)))
            except DataError as error:
                self.refuse(error)
            else:
                kept.append(position)
        return np.array(images, np.uint8).reshape(-1, *self.shape[1:]), np.array(kept, np.intp)

    def refuse(self, error: DataError) -> None:
        """Say what cannot be decoded: by raising it, or, where such files are passed over, once on standard error."""
        if not self.skip_unreadable:
            raise DataError(f"{error}; remove or replace it, or pass over such files: --on-bad-image skip") from error
        if str(error) not in self._told:
            self._told.add(str(error))
            print(f"skipped: {error}", file=sys.stderr, flush=True)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)

    def path(self, position: int) -> Path:
        """The file of an image."""
        return self.folder / os.fsdecode(bytes(self.names[position]))

    def open(self, position: int) -> Image:
        """The whole picture, upright, in RGB."""
        from PIL import Image, ImageOps

        path = self.path(position)
        try:
            with Image.open(path) as opened:
                return ImageOps.exif_transpose(opened).convert("RGB")
        except Exception as error:  # Pillow's parsers raise whatever a damaged file makes them stumble over
            raise DataError(f"cannot read {path}: {_reason(error)}") from error

    def centre(self, position: int) -> Pixels:
        """The central square of an image, uint8 ``[3, size, size]``."""
        picture = self.open(position)
        picture = picture.resize(scaled(*picture.size, self.resize), _bilinear())
        left, top = (round((side - self.size) / 2) for side in picture.size)
        return channels_first(picture.crop((left, top, left + self.size, top + self.size)))

    def cut(self, picture: Image, box: tuple[int, int, int, int], mirrored: bool) -> Pixels:
        """A part of an opened picture, scaled to uint8 ``[3, size, size]``.

        Parameters
        ----------
        picture : what :meth:`open` gave.
        box : left, top, right, bottom in its pixels.
        mirrored : swap left and right.
        """
        pixels = channels_first(picture.crop(box).resize((self.size, self.size), _bilinear()))
        return np.ascontiguousarray(pixels[:, :, ::-1]) if mirrored else pixels


def scaled(width: int, height: int, shorter: int) -> tuple[int, int]:
    """Width and height after scaling to a shorter side of ``shorter``; the longer one is rounded down.

    >>> scaled(500, 375, 256), scaled(100, 100, 256)
    ((341, 256), (256, 256))
    """
    if width <= height:
        return shorter, max(shorter, shorter * height // width)
    return max(shorter, shorter * width // height), shorter


def channels_first(picture: Image) -> Pixels:
    """uint8 ``[3, H, W]`` of an RGB picture."""
    return np.ascontiguousarray(np.asarray(picture, np.uint8).transpose(2, 0, 1))


def _bilinear() -> Any:
    from PIL.Image import Resampling

    return Resampling.BILINEAR


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error).split("\n")[0]
    return "it is not an image, or damaged" if not text or "cannot identify" in text else text
