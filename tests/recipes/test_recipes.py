"""Every shipped recipe is a run that could start: its settings parse, its names exist, its parts fit together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from signbit.data import DATASETS, Dataset, Split
from signbit.data.augment import AUGMENTATIONS
from signbit.errors import ConfigError
from signbit.layers import BinaryLayer
from signbit.methods import METHODS, RunInfo, create_model, create_optimizer, resolve
from signbit.recipes import find, names
from signbit.schedules import Linear, Staircase
from signbit.training import RunConfig, fit, load_run, read_card, resume
from signbit.training.rates import rate_shape, with_schedules

STEPS_PER_EPOCH = 900
INPUT_SIZES = {"cifar10": (1, 3, 32, 32), "digits": (1, 1, 8, 8), "imagenet": (1, 3, 224, 224)}
CLASSES = {"imagenet": 1000}
QUICK_STEPS = 640
TRAIN_IMAGES = 45_000

PUBLISHED = {
    "cifar10/binarynet-bop": ("91.3", 500, 50),
    "cifar10/binarynet-bop2nd": ("91.9", 500, 50),
    "cifar10/binarynet-bop2nd-unbiased": ("91.4", 500, 50),
    "cifar10/resnet20-sd-bnn": ("86.9", 500, 128),
    "cifar10/resnet18-sd-bnn": ("92.5", 600, 128),
    "cifar10/vgg-small-sd-bnn": ("90.8", 400, 128),
    "cifar10/resnet18-cyclebnn": ("93.0", 60, 16),
    "imagenet/alexnet-bop": ("41.1", 150, 1024),
    "imagenet/xnornet-bop": ("45.9", 100, 1024),
    "imagenet/birealnet18-bop": ("56.6", 300, 1024),
    "imagenet/xnornet-bop2nd": ("46.9", 100, 1024),
    "imagenet/birealnet18-bop2nd": ("57.2", 150, 1024),
    "imagenet/alexnet-si-bnn": ("50.5", 100, 256),
    "imagenet/resnet18-si-bnn": ("62.2", 100, 256),
    "imagenet/resnet50-si-bnn": ("68.3", 100, 256),
    "imagenet/birealnet18-sd-bnn": ("66.5", 256, 512),
    "imagenet/resnet18-cyclebnn": ("60.4", 112, 16),
}
"""Every published run whose network and settings are known: its top-1, epochs and batch size."""

WITHOUT_FIGURE = {
    "cifar10/binarynet-bop2nd-ablation": (100, 100),
    **{f"cifar10/binarynet-bop2nd-study-{rate}": (350, 50) for rate in ("constant", "tau", "gamma", "sigma")},
    "cifar10/binarynet-bop2nd-layernorm": (500, 50),
    "cifar10/binarynet-bop2nd-layernorm-unbiased": (500, 50),
    "imagenet/resnet34-cyclebnn": (112, 16),
}
"""Published runs of whose accuracy no figure is at hand: epochs and batch size."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", names())
def test_a_recipe_builds_network_optimizer_and_callbacks(name: str) -> None:
    config = RunConfig.from_yaml(find(name))
    dataset, run_name = name.split("/")
    assert config.data == dataset
    assert run_name == f"{config.model}-{config.method}" or run_name.startswith(f"{config.model}-{config.method}-")
    assert config.out is None, "a recipe does not say where its runs are kept"
    assert config.data_dir is None
    side = config.data_options.get("size")
    with torch.device("meta"):
        network = create_model(
            config.model, method=config.method, num_classes=CLASSES.get(dataset, 10),
            input_size=(1, 3, side, side) if side else INPUT_SIZES[dataset],
            method_options=config.method_options, **config.model_options,
        )  # fmt: skip
    AUGMENTATIONS[config.augment or "none"].target(32, 32)
    steps = config.epochs * STEPS_PER_EPOCH
    optimizer = create_optimizer(
        network, method=config.method, total_steps=steps, method_options=config.method_options,
        lr=config.learning_rate or 1e-3, **with_schedules(config.optimizer, steps, STEPS_PER_EPOCH),
    )  # fmt: skip
    owned = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
    assert owned == sum(p.numel() for p in network.parameters())
    method = resolve(config.method, config.method_options)
    rate = rate_shape(config.schedule or method.defaults.schedule, steps)
    method.callbacks(network, RunInfo(config.epochs, STEPS_PER_EPOCH, rate))


def test_published_recipes_cite_paper_and_accuracy() -> None:
    for run, (top, *sizes) in PUBLISHED.items():
        comment = find(run).read_text().split("method:")[0]
        assert f"published top-1 {top} %" in comment.replace("\n# ", " "), run
        assert '", 20' in comment, run
        config = RunConfig.from_yaml(find(run))
        assert [config.epochs, config.batch_size] == sizes, run
        assert config.train_images is None, f"{run} is published on all training images"
    cited = {name for name in names() if "published top-1" in find(name).read_text().replace("\n# ", " ")}
    assert cited == set(PUBLISHED)
    for run, sizes_ in WITHOUT_FIGURE.items():
        config = RunConfig.from_yaml(find(run))
        assert (config.epochs, config.batch_size) == sizes_, run


def test_rates_of_the_published_imagenet_runs() -> None:
    """Bop and Bop2ndOrder run their rates in lines over the whole run, and so does Adam's."""
    expected = {
        "bop": {"tau": 1e-8, "gamma": Linear(1e-4, 1e-6, 100)},
        "bop2nd": {
            "tau": Linear(1e-8, 1e-5, 100), "gamma": Linear(1e-4, 1e-9, 100), "sigma": Linear(1e-5, 1e-2, 100),
            "bias_correction": "none",
        },
    }  # fmt: skip
    for run in (name for name in names() if name.startswith("imagenet/") and "-bop" in name):
        config = RunConfig.from_yaml(find(run))
        assert with_schedules(config.optimizer, 100, 10) == expected[config.method], run
        assert (config.learning_rate, config.final_learning_rate, config.schedule) == (2.5e-3, 5e-6, "linear"), run


def test_parts_of_imagenet_are_small_versions_of_published_runs() -> None:
    subsets = {name: RunConfig.from_yaml(find(name)) for name in names() if name.endswith("-subset")}
    assert {config.model for config in subsets.values()} == {"resnet18", "birealnet18", "alexnet"}
    for name, config in subsets.items():
        published = RunConfig.from_yaml(find(name.replace("image-folder", "imagenet").removesuffix("-subset")))
        for setting in ("method", "method_options", "model_options"):
            assert getattr(config, setting) == getattr(published, setting)
        assert (config.augment, config.data) == (published.augment, "image-folder")


def test_every_method_has_a_quick_recipe_of_the_same_size() -> None:
    for method in METHODS.names():
        config = RunConfig.from_yaml(find(f"cifar10/resnet20-{method}-quick"))
        images = min(config.train_images or TRAIN_IMAGES, TRAIN_IMAGES)
        assert config.epochs * (images // config.batch_size) == QUICK_STEPS, method
        assert (config.method, config.normalize, config.augment) == (method, "standard", "crop-flip")


def test_what_a_recipe_writes_out_of_a_methods_defaults_agrees_with_them() -> None:
    """Bop's and Bop2ndOrder's headline schedules stand in the recipe and in the method."""
    for run, names_ in (("binarynet-bop", ("gamma", "tau")), ("binarynet-bop2nd", ("gamma", "sigma", "tau"))):
        config = RunConfig.from_yaml(find(f"cifar10/{run}"))
        steps = config.epochs * STEPS_PER_EPOCH
        given = with_schedules(config.optimizer, steps, STEPS_PER_EPOCH)
        default = next(rule for role, rule in resolve(config.method).rules.items() if role.value == "binary")
        assert {n: given[n] for n in names_} == {n: default.resolved(steps)[n] for n in names_}


def test_studies_move_one_rate_at_a_time() -> None:
    still = with_schedules(RunConfig.from_yaml(find("cifar10/binarynet-bop2nd-study-constant")).optimizer, 350, 1)
    for rate in ("tau", "gamma", "sigma"):
        config = RunConfig.from_yaml(find(f"cifar10/binarynet-bop2nd-study-{rate}"))
        moved = with_schedules(config.optimizer, 350, 1)
        assert {name for name in still if moved[name] != still[name]} == {rate}
        assert moved[rate] == Staircase(still[rate], 0.1, 100)


def test_sfao_and_what_it_saves_on_differ_by_the_method_alone() -> None:
    for network in ("cifar10/vgg-small", "imagenet/resnet18"):
        ours, theirs = (RunConfig.from_yaml(find(f"{network}-{method}")) for method in ("sfao", "ste"))
        assert replace(ours, method="ste") == theirs
        assert resolve(ours.method).defaults == resolve(theirs.method).defaults


def test_si_bnn_stands_behind_a_batch_norm() -> None:
    for run in ("resnet18-si-bnn", "vgg-small-si-bnn"):
        config = RunConfig.from_yaml(find(f"cifar10/{run}"))
        with torch.device("meta"):
            network = create_model(config.model, method="si-bnn", num_classes=10, **config.model_options)
        modules = [m for m in network.modules() if isinstance(m, BinaryLayer | nn.BatchNorm2d | nn.Hardtanh)]
        before = [type(a) for a, b in pairwise(modules) if isinstance(b, BinaryLayer)]
        assert set(before) == {nn.BatchNorm2d}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": {"linear": {"start": 1, "stop": 0}}}, "'lr' takes a value; only gamma, sigma, tau"),
        ({"tau": {"lineal": {"start": 1, "stop": 0}}}, "'tau' is a number or one of linear: {start, stop}"),
        ({"tau": {"linear": {"start": 1}}}, "got {'linear': {'start': 1}}"),
        ({"tau": {"linear": {"start": "1e-3", "stop": 0}}}, "all numbers"),
        ({"tau": {}}, "'tau' is a number or one of"),
        ({"tau": {"linear": 3}}, "'tau' is a number or one of"),
    ],
)
def test_wrong_schedules_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        with_schedules(settings, 100, 10)
    assert message in str(error.value)


def test_a_schedule_ends_at_the_final_learning_rate() -> None:
    shape = rate_shape("linear", 100, floor=0.1)
    assert [round(shape(step), 6) for step in (0, 50, 100)] == [1.0, 0.55, 0.1]
    with pytest.raises(ConfigError, match="'constant' does not fall"):
        rate_shape("constant", 100, floor=0.1)
    with pytest.raises(ConfigError, match="at most 'learning_rate'; got 2 times"):
        rate_shape("linear", 100, floor=2)
    with pytest.raises(ConfigError, match="'final_learning_rate' must be a number >= 0; got -1"):
        RunConfig(final_learning_rate=-1)
    with pytest.raises(ConfigError, match="one of standard, unit, symmetric; got 'imagenet'"):
        RunConfig(normalize="imagenet")


@pytest.fixture
def toy_cifar10(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Coloured squares under the name of CIFAR-10: 160 training images, ten classes."""
    random = np.random.default_rng(0)

    def split(count: int) -> Split:
        labels = np.arange(count, dtype=np.int64) % 10
        noise = random.integers(0, 60, (count, 3, 32, 32))
        colours = np.random.default_rng(1).integers(0, 190, (10, 3, 1, 1))
        return Split((colours[labels] + noise).astype(np.uint8), labels)

    data = Dataset(
        "cifar10", split(160), split(40), split(40), tuple("0123456789"), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), "RGB"
    )
    entry = DATASETS["cifar10"]
    monkeypatch.setitem(DATASETS._entries, "cifar10", replace(entry, target=lambda _dir, _download: data))
    return data


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [("resnet18-cyclebnn", 0.0, 1.0), ("binarynet-bop2nd", 0.5, 0.5)],
)
def test_a_recipe_trains_and_its_record_says_what_the_network_saw(
    name: str, mean: float, std: float, toy_cifar10: Dataset, tmp_path: Path
) -> None:
    config = replace(
        RunConfig.from_yaml(find(f"cifar10/{name}")),
        model="convnet-tiny", model_options={"width": 8},  # a small network in the place of the published one
        epochs=1, batch_size=16, tensorboard=False, threads=1, out=str(tmp_path / "run"),
    )  # fmt: skip
    fit(config)
    _, recorded = load_run(tmp_path / "run")
    assert recorded.normalize == config.normalize
    card = read_card(tmp_path / "run")
    assert (card.mean, card.std) == ((mean,) * 3, (std,) * 3)
    assert toy_cifar10.normalized(recorded.normalize).card == card
    assert resume(tmp_path / "run").epochs == 1


def test_linear_course_is_the_schedule() -> None:
    assert with_schedules({"tau": {"linear": {"start": 1, "stop": 0}}}, 7, 3)["tau"] == Linear(1, 0, 7)
