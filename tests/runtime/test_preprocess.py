"""From pixels and image files to the network's input."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from signbit.errors import DataError, MissingDependencyError, ShapeError
from signbit.runtime.preprocess import ImageReader, prepare

METADATA = {"input": {"mean": [0.5, 0.25, 0.0], "std": [0.5, 0.25, 2.0], "mode": "RGB"}}
SHAPE = (3, 4, 5)


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_both_layouts_and_the_numbers() -> None:
    last = pixels(2, 4, 5, 3)
    result = prepare(last, METADATA, SHAPE)
    assert result.dtype == np.float32
    assert result.shape == (2, 3, 4, 5)
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(prepare(last.transpose(0, 3, 1, 2), METADATA, SHAPE), result)
    for n, row, column, c in ((0, 0, 0, 0), (1, 3, 4, 2), (1, 2, 1, 1)):
        mean, std = METADATA["input"]["mean"][c], METADATA["input"]["std"][c]
        assert result[n, c, row, column] == pytest.approx((last[n, row, column, c] / 255 - mean) / std, abs=1e-6)


def test_without_metadata_pixels_are_scaled_only() -> None:
    np.testing.assert_allclose(prepare(pixels(1, 3, 4, 5), {}, SHAPE), pixels(1, 3, 4, 5) / np.float32(255), rtol=1e-6)


def test_where_both_layouts_fit_channels_come_first() -> None:
    cube = pixels(1, 3, 3, 3)
    np.testing.assert_allclose(prepare(cube, {}, (3, 3, 3)), cube / np.float32(255), rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, 5, 4, 3), (4, 5, 3), (2, 4, 5), (2, 4, 5, 1)])
def test_wrong_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"\[N, 3, 4, 5\] or \[N, 4, 5, 3\] pixels, not"):
        prepare(pixels(*shape), METADATA, SHAPE)


def test_floats_are_not_pixels() -> None:
    with pytest.raises(ShapeError, match=r"uint8 .*not float32"):
        prepare(np.zeros((1, 3, 4, 5), np.float32), METADATA, SHAPE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "stated",
    [
        {"mean": [0.5]}, {"mean": 0.5}, {"std": [1, 1, 0]}, {"std": [1, 1, -1]}, {"mean": ["a", "b", "c"]},
        {"std": [1, 1]}, {"mean": [1e300, 0, 0]}, [], "x",
    ],
)  # fmt: skip
def test_malformed_metadata(stated: object) -> None:
    with pytest.raises(DataError, match="the file's metadata has"):
        prepare(pixels(1, 3, 4, 5), {"input": stated}, SHAPE)


class TestImages:
    @pytest.fixture(autouse=True)
    def _pillow(self) -> None:
        self.image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

    def test_colour_and_grey(self, tmp_path: Path) -> None:
        picture = pixels(4, 5, 3)
        self.image.fromarray(picture).save(tmp_path / "a.png")
        np.testing.assert_array_equal(
            ImageReader(METADATA, SHAPE)(tmp_path / "a.png"), prepare(picture[None], METADATA, SHAPE)
        )
        grey = ImageReader({}, (1, 4, 5))(tmp_path / "a.png")
        assert grey.shape == (1, 1, 4, 5)
        expected = picture @ np.array([0.299, 0.587, 0.114]) / 255
        np.testing.assert_allclose(grey[0, 0], expected, atol=1 / 255)

    def test_an_image_on_its_side_is_turned(self, tmp_path: Path) -> None:
        picture = pixels(5, 4, 3)
        image = self.image.fromarray(picture)
        exif = image.getexif()
        exif[0x0112] = 6  # turn by 90 degrees clockwise
        image.save(tmp_path / "a.png", exif=exif)
        np.testing.assert_array_equal(
            ImageReader(METADATA, SHAPE)(tmp_path / "a.png"), prepare(np.rot90(picture, -1)[None], METADATA, SHAPE)
        )

    def test_another_size(self, tmp_path: Path) -> None:
        self.image.fromarray(pixels(8, 8, 3)).save(tmp_path / "big.png")
        with pytest.raises(DataError, match=r"big\.png is 8 x 8 pixels, the network reads 5 x 4; .*--resize"):
            ImageReader(METADATA, SHAPE)(tmp_path / "big.png")
        assert ImageReader(METADATA, SHAPE, resize=True)(tmp_path / "big.png").shape == (1, 3, 4, 5)

    def test_not_an_image(self, tmp_path: Path) -> None:
        (tmp_path / "text.png").write_text("hello")
        with pytest.raises(DataError, match=r"text\.png: it is not an image"):
            ImageReader(METADATA, SHAPE)(tmp_path / "text.png")
        with pytest.raises(DataError, match=r"none\.png: No such file"):
            ImageReader(METADATA, SHAPE)(tmp_path / "none.png")
        with pytest.raises(DataError, match="Is a directory"):
            ImageReader(METADATA, SHAPE)(tmp_path)
        self.image.fromarray(pixels(64, 64, 3)).save(tmp_path / "cut.png")
        (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:2000])
        with pytest.raises(DataError, match=r"cut\.png: it is not an image, or damaged"):
            ImageReader(METADATA, (3, 64, 64))(tmp_path / "cut.png")

    def test_networks_that_read_no_images(self, tmp_path: Path) -> None:
        self.image.fromarray(pixels(4, 5, 3)).save(tmp_path / "a.png")
        with pytest.raises(DataError, match="images have 1 or 3"):
            ImageReader({}, (7, 4, 5))(tmp_path / "a.png")
        with pytest.raises(DataError, match="mode 'L' for 3 channels"):
            ImageReader({"input": {"mode": "L"}}, SHAPE)(tmp_path / "a.png")


def test_without_pillow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingDependencyError, match=r"pillow.*signbit\[images\]"):
        ImageReader(METADATA, SHAPE)(tmp_path / "a.png")
