"""The centre is the trained network, the way out is the one that is asked for, and nothing is left behind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from signbit.callbacks.record import read_rows
from signbit.cli import main
from signbit.errors import ConfigError, UnknownNameError
from signbit.landscape import FlipSpace, LatentSpace, Scan, draw, recalibrated
from signbit.landscape.spaces import is_filters
from signbit.layers import BinaryLayer
from signbit.methods import create_model
from signbit.roles import Role, parameter_roles
from signbit.training import RunConfig, fit, load_run

METHODS = ("ste", "bop", "si-bnn", "cyclebnn", "float")
SIZE = (1, 1, 8, 8)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of one epoch for methods that keep their weights in different ways."""
    folder = tmp_path_factory.mktemp("runs")
    for method in METHODS:
        small = {"train_images": 120, "batch_size": 40, "epochs": 1, "model_options": {"width": 8}}
        fit(RunConfig(method=method, **small, threads=1, tensorboard=False, out=str(folder / method)))
    return {method: folder / method for method in METHODS}


def network(method: str) -> nn.Module:
    torch.manual_seed(3)
    return create_model("convnet-tiny", method=method, num_classes=10, input_size=SIZE, width=8).eval()


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("space", ["latent", "flips"])
def test_the_centre_is_what_the_run_recorded_to_the_bit(runs: dict[str, Path], method: str, space: str) -> None:
    scan = Scan(space=space, points=3, extent=0.4)
    if (method, space) == ("float", "flips"):
        with pytest.raises(ConfigError, match="look at it in latent space"):
            draw([runs[method]], scan)
        return
    (found,) = draw([runs[method]], scan)
    (row,) = read_rows(runs[method] / "metrics.csv")
    assert found.centre.loss == row["val_loss"]
    assert found.centre.accuracy == pytest.approx(row["val_accuracy"])
    assert found.centre in found.points
    assert len({point.loss for point in found.points}) == 3, "the loss changes along the way"


@pytest.mark.parametrize("space", ["latent", "flips"])
def test_the_same_seed_draws_the_same(runs: dict[str, Path], space: str) -> None:
    scan = Scan(space=space, dimensions=2, points=3, images=50)
    steps: list[None] = []
    first = draw([runs["ste"], runs["bop"]], scan, step=lambda: steps.append(None))
    assert draw([runs["ste"], runs["bop"]], scan) == first
    assert draw([runs["ste"]], replace(scan, seed=1))[0].points != first[0].points
    assert len(steps) == 2 * scan.size == 18
    assert [found.name for found in first] == ["ste", "bop"]


@pytest.mark.parametrize("method", METHODS)
def test_directions_are_as_long_as_the_filters(method: str) -> None:
    model = network(method)
    space = LatentSpace(model, 2, seed=0)
    roles = parameter_roles(model)
    moved = {n: p for n, p in model.named_parameters() if is_filters(p) and roles[n] is not Role.THRESHOLD}
    assert set(space.directions[0]) == set(moved)
    assert {layer.weight.shape for layer in model.modules() if isinstance(layer, BinaryLayer)} <= {
        weight.shape for weight in moved.values()
    }
    for direction in space.directions:
        for name, weight in moved.items():
            wanted, found = (t.flatten(1).norm(dim=1) for t in (weight, direction[name]))
            torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-7)
    with space.at((0.5, 0.0)) as here:
        for name, value in here.items():
            line = moved[name] + 0.5 * space.directions[0][name]
            expected = torch.where(line >= 0, 1.0, -1.0) if roles[name] is Role.BINARY else line
            torch.testing.assert_close(value, expected)


def test_a_filter_of_zeros_stays() -> None:
    model = network("ste")
    layer = next(layer for layer in model.modules() if isinstance(layer, BinaryLayer))
    with torch.no_grad():
        layer.weight[1] = 0
    direction = next(d for d in LatentSpace(model, 1, 0).directions[0].values() if d.shape == layer.weight.shape)
    assert bool((direction[1] == 0).all())
    assert bool((direction[0] != 0).all())


@pytest.mark.parametrize("method", ["ste", "bop", "si-bnn", "cyclebnn", "sd-bnn"])
def test_flips_flip_the_share_of_the_bits_that_forward_sees(method: str) -> None:
    model = network(method)
    layers = [layer for layer in model.modules() if isinstance(layer, BinaryLayer)]
    trained = [layer.binary_weight().detach().clone() for layer in layers]
    space = FlipSpace(model, 2, seed=0)
    for point in ((0.0, 0.0), (0.1, 0.0), (0.0, 0.25), (0.1, 0.25), (0.5, 0.5)):
        with space.at(point):
            for layer, bits in zip(layers, trained, strict=True):
                count = bits.numel()
                expected = round(point[0] * count) + round(point[1] * count)
                assert int((layer.binary_weight() != bits).sum()) == expected
    for layer, bits in zip(layers, trained, strict=True):
        assert torch.equal(layer.binary_weight(), bits)


@pytest.mark.parametrize("space", ["latent", "flips"])
@pytest.mark.parametrize("norms", ["kept", "recalibrated"])
def test_the_network_is_left_as_it_was(
    runs: dict[str, Path], space: str, norms: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[tuple[nn.Module, dict[str, Tensor], list[tuple[bool, object]]]] = []

    def modes(model: nn.Module) -> list[tuple[bool, object]]:
        return [(module.training, getattr(module, "momentum", None)) for module in model.modules()]

    def watched(*arguments: object) -> tuple[nn.Module, RunConfig]:
        model, config = load_run(*arguments)  # type: ignore[arg-type]
        kept.append((model, state(model), modes(model)))
        return model, config

    monkeypatch.setattr("signbit.landscape.record.load_run", watched)
    draw([runs["ste"]], Scan(space=space, points=3, norms=norms, images=50))  # type: ignore[arg-type]
    ((model, before, mode),) = kept
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert modes(model) == mode
    assert not any(module._forward_hooks for module in model.modules())


def test_recalibrated_statistics_are_those_of_the_images() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).eval()
    images = torch.randn(40, 1, 8, 8)
    found = recalibrated(model, {}, torch.split(images, 20))
    outputs = model[0](images)
    torch.testing.assert_close(found["1.running_mean"], outputs.mean((0, 2, 3)))
    variances = [half.var((0, 2, 3)) for half in torch.split(outputs, 20)]
    torch.testing.assert_close(found["1.running_var"], torch.stack(variances).mean(0))
    assert torch.equal(model[1].running_mean, torch.zeros(2))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"space": "weights"}, "unknown space 'weights'"), ({"dimensions": 3}, "'dimensions' is one of 1, 2"),
        ({"split": "test"}, "'split' is one of val, train"), ({"points": 4}, "odd number"),
        ({"points": 1}, "at least 2"),
        ({"space": "flips", "extent": 0.6}, "at most"), ({"extent": 0.0}, "positive"), ({"norms": "none"}, "'norms'"),
    ],
)  # fmt: skip
def test_what_cannot_be_looked_at(wrong: dict[str, object], message: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        Scan(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("options", "pictures"), [((), 2), (("--dimensions", "2", "--space", "flips"), 2)])
def test_the_command_writes_page_figures_and_record(
    runs: dict[str, Path], tmp_path: Path, options: tuple[str, ...], pictures: int, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["landscape", str(runs["ste"]), str(runs["cyclebnn"]), "--points", "3", "--images", "40", "--threads", "1"]
    assert main([*words, *options, "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    stored = json.loads((out / "landscape.json").read_text())
    assert stored == {key: told[key] for key in stored}
    assert [run["name"] for run in stored["runs"]] == ["ste", "cyclebnn"]
    page = (out / "landscape.html").read_text()
    assert "Batch norms keep the statistics" in page
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    made = sorted(out.glob("*.png"))
    assert len(made) == pictures
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in made)


def test_nothing_is_left_where_there_is_nothing_to_draw(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for options, message in (
        (["--checkpoint", "nosuch"], "has no nosuch; its checkpoints: checkpoints/best.ckpt, checkpoints/epoch-1.ckpt"),
        (["--images", "9999"], "'images' is at most"),
    ):
        assert main(["landscape", str(runs["ste"]), *options, "--out", str(out)]) == 2
        assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_loss_that_is_not_finite_is_no_landscape(runs: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=r"not finite at 1e\+38 distance, in filter norms; take a smaller extent"):
        draw([runs["float"]], Scan(points=3, extent=1e38, images=50))
