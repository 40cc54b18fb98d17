"""Image files as an array, folders of them as data sets, and batches out of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from signbit.data import Dataset, FileImages, Split, load, normalize
from signbit.data.augment import AUGMENTATIONS
from signbit.data.file_batches import FileEvalBatches, FileTrainBatches
from signbit.data.file_images import scaled
from signbit.data.loaders import eval_batches, train_batches
from signbit.data.resized_crop import ASPECT, ResizedCropFlip, draw_crop
from signbit.data.shard import Shard
from signbit.errors import ConfigError, DataError, SignbitError
from tests.data.picture_folders import CLASSES, write_dataset, write_pictures

SIZE = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("pictures"))


def read(folder: Path, **options: object) -> Dataset:
    return load("image-folder", folder, **{"size": SIZE, "workers": 0, **options})


def batches(
    data: Dataset, *, batch_size: int = 7, seed: int = 3, augment: str = "resized-crop-flip"
) -> FileTrainBatches:
    augmentation = AUGMENTATIONS[augment].target(SIZE, SIZE)
    return FileTrainBatches(data.train, data, batch_size=batch_size, seed=seed, augmentation=augmentation)


def gathered(loader: FileTrainBatches, epoch: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    loader.sampler.set_epoch(epoch)
    images, labels = zip(*loader, strict=True)
    return torch.cat(images), torch.cat(labels)


# --- files as an array


def test_files_are_an_array_of_central_squares(folder: Path) -> None:
    split = read(folder).test
    assert (split.images.shape, split.images.ndim, split.images.dtype) == ((12, 3, SIZE, SIZE), 4, np.uint8)
    everything = np.asarray(split.images)
    assert everything.shape == split.images.shape
    for index in (slice(3, 8), slice(None, None, -1), np.array([4, 0, 4])):
        np.testing.assert_array_equal(split.images[index], everything[index])
    part = split.take(np.array([5, 2]))
    np.testing.assert_array_equal(np.asarray(part.images), everything[[5, 2]])
    assert part.labels.tolist() == split.labels[[5, 2]].tolist()
    pieces = list(split.pieces(5))
    assert [len(piece) for piece in pieces] == [5, 5, 2]
    np.testing.assert_array_equal(np.concatenate([np.asarray(piece.images) for piece in pieces]), everything)


@pytest.mark.parametrize("size", [(30, 20), (20, 30), (25, 25), (5, 40)])
def test_the_square_is_the_published_one(size: tuple[int, int], tmp_path: Path) -> None:
    """Shorter side to ``resize``, bilinear; then the middle. Written out here with Pillow's own calls."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    picture.save(tmp_path / "a.png")
    (square,) = FileImages(tmp_path, np.array([b"a.png"]), size=8, resize=10)[:]
    factor = 10 / min(size)
    small = picture.resize((int(size[0] * factor + 1e-9), int(size[1] * factor + 1e-9)), Image.Resampling.BILINEAR)
    left, top = round((small.width - 8) / 2), round((small.height - 8) / 2)
    expected = np.asarray(small)[top : top + 8, left : left + 8].transpose(2, 0, 1)
    np.testing.assert_array_equal(square, expected)


def test_pictures_are_turned_upright_and_made_rgb(tmp_path: Path) -> None:
    grey = np.zeros((8, 8), np.uint8)
    grey[:4] = 255  # white above
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    Image.fromarray(grey).save(tmp_path / "a.png", exif=exif)
    (square,) = FileImages(tmp_path, np.array([b"a.png"]), size=8, resize=8)[:]
    assert square.shape == (3, 8, 8)
    assert square[:, :4].max() == 0
    assert square[:, 4:].min() == 255


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 300))
def test_scaling_keeps_the_shorter_side_exact_and_the_shape_nearly(width: int, height: int, shorter: int) -> None:
    w, h = scaled(width, height, shorter)
    assert min(w, h) == shorter
    assert abs(max(w, h) - shorter * max(width, height) / min(width, height)) < 1


# --- folders as data sets


def test_validation_is_carved_from_train_where_val_is_the_test(folder: Path) -> None:
    data = read(folder, validation=6)
    assert [len(split) for split in (data.train, data.val, data.test)] == [30, 6, 12]
    assert np.bincount(data.val.labels).tolist() == [2, 2, 2]
    parts = [{split.images.path(i) for i in range(len(split))} for split in (data.train, data.val, data.test)]  # type: ignore[union-attr]
    assert len(set.union(*parts)) == 48
    assert parts[1] == {read(folder, validation=6).val.images.path(i) for i in range(6)}  # type: ignore[union-attr]
    assert (data.classes, data.augment, data.card.input_size) == (CLASSES, "resized-crop-flip", (1, 3, SIZE, SIZE))
    assert len(read(folder).val) == round(0.1 * 36)


@pytest.mark.parametrize("name", ["validation", "val"])
def test_three_folders_are_three_splits(name: str, tmp_path: Path) -> None:
    data = read(write_dataset(tmp_path, train=3, **{name: 2, "test": 1}))
    assert [len(split) for split in (data.train, data.val, data.test)] == [9, 6, 3]
    assert data.val.images.folder.name == name  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match=r"has its own folder .*remove the option 'validation'"):
        read(tmp_path, validation=3)


def test_labels_follow_the_sorted_names_of_folders(folder: Path) -> None:
    """And the colour that each class is written in arrives in its channel."""
    for split in (read(folder).train, read(folder).test):
        brightest = np.asarray(split.images).mean((2, 3)).argmax(1)
        np.testing.assert_array_equal(brightest, split.labels)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda _: None, {}, "it does not exist.*expected the folders train and val"),
        (lambda d: d.mkdir(), {}, "it holds no folders"),
        (lambda d: write_pictures(d, 1), {}, "it holds ant, bee, cat"),
        (lambda d: write_dataset(d, train=2, val=1, validation=1), {}, "it holds train, val, validation"),
        (lambda d: (write_dataset(d), (d / "train" / "dog").mkdir()), {}, "dog holds no image file"),
        (lambda d: (write_dataset(d), (d / "val" / "dog").mkdir()), {}, "classes that train|class folders that train"),
        (lambda d: (write_dataset(d), [p.unlink() for p in (d / "val").glob("*/*")]), {}, "holds no image file"),
        (lambda d: [(d / n).mkdir(parents=True) for n in ("train", "val")], {}, "train holds no class folders"),
        (write_dataset, {"validation": 36}, "validation is 1 .. 35"),
        (write_dataset, {"validation": 0}, "validation is 1 .. 35"),
        (write_dataset, {"on_bad_image": "panic"}, "one of stop, skip; got 'panic'"),
        (write_dataset, {"size": 20, "resize": 19}, "resize at least as large"),
        (write_dataset, {"size": 0}, "size is at least 1"),
        (write_dataset, {"workers": -1}, "workers is 0"),
        (write_dataset, {"width": 3}, "no setting 'width'.*it has: on_bad_image, resize, size, validation, workers"),
        (write_dataset, {"size": True}, "size is an integer; got True"),
    ],
)
def test_what_is_laid_out_otherwise_is_named(
    make: object, options: dict[str, object], message: str, tmp_path: Path
) -> None:
    make(tmp_path / "d")  # type: ignore[operator]
    with pytest.raises(SignbitError, match=message):
        read(tmp_path / "d", **options)


def test_imagenet_has_a_thousand_classes(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has 1000 classes, .* has 3 class folders.*--data image-folder"):
        load("imagenet", folder)
    (tmp_path / "imagenet").symlink_to(folder)
    with pytest.raises(DataError, match="has 3 class folders"):
        load("imagenet", tmp_path)


def test_data_sets_in_memory_have_no_such_options() -> None:
    with pytest.raises(ConfigError, match="data set 'digits' has no setting 'on_bad_image'; it has: none"):
        load("digits", on_bad_image="skip")


# --- chance


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**32))
def test_crops_lie_inside_and_keep_to_their_ranges(width: int, height: int, seed: int) -> None:
    left, top, right, bottom = draw_crop(width, height, np.random.default_rng(seed)).box
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    w, h = right - left, bottom - top
    # Sides are rounded to whole pixels: the nearest exact ones keep to the ranges.
    assert (w - 0.5) / (h + 0.5) <= ASPECT[1]
    assert (w + 0.5) / (h - 0.5) >= ASPECT[0]


def test_crops_are_spread_as_stated() -> None:
    random = np.random.default_rng(0)
    crops = [draw_crop(1000, 1000, random) for _ in range(2000)]
    sides = np.array([(c.box[2] - c.box[0], c.box[3] - c.box[1]) for c in crops], float)
    area, shape = sides.prod(1) / 1e6, np.log(sides[:, 0] / sides[:, 1])
    # Large parts fit less often, so that small ones are a little more frequent than uniform.
    assert area.min() < 0.09
    assert 0.45 < area.mean() < 0.54
    assert abs(shape.mean()) < 0.02
    assert 0.45 < np.mean([c.mirrored for c in crops]) < 0.55


def test_in_memory_the_same_parts_are_cut_from_the_images() -> None:
    crop = ResizedCropFlip(area=(1.0, 1.0), aspect=(1.0, 1.0))
    images = torch.rand(4, 3, 9, 9)
    for before, after in zip(images, crop(images), strict=True):
        assert torch.allclose(after, before) or torch.allclose(after, before.flip(-1))
    assert not torch.equal(ResizedCropFlip()(images), images)
    with pytest.raises(ConfigError, match="0 < area <= 1"):
        ResizedCropFlip(area=(0.5, 0.1))


# --- batches


def test_batches_do_not_depend_on_workers(folder: Path) -> None:
    plain = gathered(batches(read(folder)))
    for workers in (1, 3):
        images, labels = gathered(batches(read(folder, workers=workers)))
        assert torch.equal(images, plain[0])
        assert torch.equal(labels, plain[1])
    assert not torch.equal(gathered(batches(read(folder)), epoch=1)[0], plain[0])
    assert not torch.equal(gathered(batches(read(folder), seed=4))[1], plain[1])


@pytest.mark.parametrize("augment", ["resized-crop-flip", "crop-flip"])
def test_an_epoch_is_a_function_of_seed_and_epoch(augment: str, folder: Path) -> None:
    """So a resumed run sees what the uninterrupted one would have seen, whatever was drawn in between."""
    first = gathered(batches(read(folder), augment=augment), epoch=5)
    other = batches(read(folder), augment=augment)
    gathered(other, epoch=2)
    torch.rand(3)
    again = gathered(other, epoch=5)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


@pytest.mark.parametrize("count", [2, 3])
def test_all_shards_together_are_the_batch_of_one_process(count: int, folder: Path) -> None:
    data = read(folder)
    whole = batches(data, batch_size=6)
    parts = [batches(data, batch_size=6) for _ in range(count)]
    for rank, part in enumerate(parts):
        part.share(Shard(rank, count))
    assert {len(part) for part in parts} == {len(whole)}
    for alone, *shares in zip(whole, *parts, strict=True):
        for rank, (images, labels) in enumerate(shares):
            assert torch.equal(images, alone[0][rank::count])
            assert torch.equal(labels, alone[1][rank::count])
    with pytest.raises(ConfigError, match="cannot be divided among 4 processes"):
        whole.share(Shard(0, 4))


def test_what_is_left_over_waits_for_another_epoch(folder: Path) -> None:
    data = read(folder)
    seen = set()
    for epoch in range(6):
        _, labels = gathered(batches(data, batch_size=10, augment="none"), epoch)
        assert len(labels) == 10 * (len(data.train) // 10)
        order = batches(data, batch_size=10).sampler
        order.set_epoch(epoch)
        seen |= set(order.draw()[0][: len(labels)].tolist())
    assert seen == set(range(len(data.train)))


@pytest.mark.parametrize(("count", "batch_size"), [(1, 5), (2, 5), (3, 4), (5, 2), (5, 1), (12, 1)])
def test_every_test_image_once_over_all_shards(count: int, batch_size: int, folder: Path) -> None:
    data = read(folder)
    expected = normalize(data.test.images, data.mean, data.std)
    loaders = [FileEvalBatches(data.test, data, batch_size=batch_size, shard=Shard(r, count)) for r in range(count)]
    assert len({len(loader) for loader in loaders}) == 1, "ranks that wait for each other have as many batches"
    for rank, loader in enumerate(loaders):
        sizes = [len(labels) for _, labels in loader]
        assert len(sizes) == len(loader)
        assert max(sizes) <= max(batch_size, 2 if count > 1 else 1)
        assert min(sizes) > 0
        images, labels = (torch.cat(parts) for parts in zip(*loader, strict=True))
        np.testing.assert_array_equal(images, expected[rank::count])
        np.testing.assert_array_equal(labels, data.test.labels[rank::count])


def test_loaders_choose_by_where_the_images_are(folder: Path) -> None:
    data = read(folder)
    memory = Split(np.asarray(data.test.images), data.test.labels)
    for split in (data.test, memory):
        images, labels = (torch.cat(parts) for parts in zip(*eval_batches(split, data, batch_size=5), strict=True))
        np.testing.assert_array_equal(images, normalize(data.test.images, data.mean, data.std))
        np.testing.assert_array_equal(labels, data.test.labels)
        assert len(train_batches(split, data, batch_size=5, seed=0)) == 2


def test_batch_sizes_out_of_range_are_refused(folder: Path) -> None:
    data = read(folder)
    with pytest.raises(ConfigError, match=r"batch_size must be 1 \.\. 32"):
        batches(data, batch_size=33)
    with pytest.raises(ConfigError, match="at least 1; got 0"):
        FileEvalBatches(data.test, data, batch_size=0)
    with pytest.raises(ConfigError, match="12 images cannot be divided among 13"):
        FileEvalBatches(data.test, data, shard=Shard(0, 13))


# --- files that cannot be decoded


@pytest.fixture
def spoiled(tmp_path: Path) -> Path:
    """One truncated picture and one that is none, in train and in val."""
    write_dataset(tmp_path)
    for split in ("train", "val"):
        file = tmp_path / split / "bee" / "001.png"
        file.write_bytes(file.read_bytes()[:200])
        (tmp_path / split / "cat" / "000.png").write_text("not a picture")
    return tmp_path


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_file_stops_by_name(workers: int, spoiled: Path) -> None:
    data = read(spoiled, workers=workers)
    for loader in (batches(data, batch_size=32), FileEvalBatches(data.test, data)):
        with pytest.raises(DataError) as error:
            list(loader)
        text = str(error.value)
        assert "bee/001.png" in text or "cat/000.png" in text
        assert "--on-bad-image skip" in text
        assert "\n" not in text
    with pytest.raises(DataError, match=r"cannot read .*(bee/001|cat/000).png: "):
        data.test.images[:]
    with pytest.raises(DataError, match="--on-bad-image skip"):
        list(data.test.pieces(4))


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_files_are_passed_over_and_named_once(
    workers: int, spoiled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = read(spoiled, workers=workers, on_bad_image="skip", validation=6)
    loader = batches(data, batch_size=15)
    labels = torch.cat([gathered(loader, epoch)[1] for epoch in range(2)])
    bad = {"bee/001.png", "cat/000.png"} & {str(p.relative_to(spoiled / "train")) for p in paths(data.train)}
    assert len(labels) == 2 * (30 - len(bad))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(bad) > 0
    assert all(line.startswith("skipped: cannot read ") for line in said)
    for _ in range(2):  # two loaders of one split, as in a run and at its end
        seen = torch.cat([labels for _, labels in FileEvalBatches(data.test, data, batch_size=5)])
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert seen.tolist() == [0] * 4 + [1] * 3 + [2] * 3
    assert sum(len(piece) for piece in data.test.pieces(5)) == 10


def test_a_batch_without_any_image_stops_all_the_same(tmp_path: Path) -> None:
    write_dataset(tmp_path)
    for file in (tmp_path / "val").glob("*/*"):
        file.write_bytes(b"")
    data = read(tmp_path, on_bad_image="skip")
    with pytest.raises(DataError, match="none of the 4 images of a batch can be read"):
        list(FileEvalBatches(data.test, data, batch_size=4))


def paths(split: Split) -> list[Path]:
    assert isinstance(split.images, FileImages)
    return [split.images.path(i) for i in range(len(split))]


def test_the_carved_images_keep_how_they_are_read(folder: Path) -> None:
    images = read(folder, on_bad_image="skip", workers=2, resize=17).val.images
    assert isinstance(images, FileImages)
    assert (images.skip_unreadable, images.workers, images.size, images.resize) == (True, 2, SIZE, 17)
    assert replace(read(folder), name="x").normalized("unit").mean == (0.0, 0.0, 0.0)
