"""CycleBNN as a method: what it is made of, that it learns, and that what is evaluated is what is exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW

import signbit
from signbit.binarizers import SignIdentity, SignPolynomial
from signbit.callbacks import PrecisionSchedule
from signbit.callbacks.precision import set_precision
from signbit.errors import ConfigError, ExportError
from signbit.layers import BinaryConv2d
from signbit.methods import create_model, create_optimizer, resolve
from signbit.methods.cyclebnn import cyclebnn
from signbit.methods.method import RunInfo
from signbit.roles import Role, parameter_roles
from signbit.schedules import Constant, CyclicBits
from signbit.transforms import (
    ChannelScale,
    QuantizeActivation,
    QuantizeGradient,
    QuantizeWeight,
    StandardizeActivation,
    StandardizeWeight,
)


def digits() -> tuple[Tensor, Tensor]:
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images[:256].astype(np.float32).reshape(-1, 1, 8, 8) / 8 - 1)
    return x, torch.tensor(labels[:256])


def tiny(method: str = "cyclebnn", **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return create_model(
        "convnet-tiny", method=method, num_classes=10, input_size=(1, 1, 8, 8), width=8, method_options=options
    )


def train(net: nn.Module, steps: int, method: str = "cyclebnn", **overrides: Any) -> list[float]:
    x, y = digits()
    optimizer, bits = create_optimizer(net, method=method, **overrides), CyclicBits(2, 6, cycles=2, steps=steps)
    losses = []
    for step in range(steps):
        set_precision(net, int(bits(step)), 8)
        loss = F.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def binary_layers(net: nn.Module) -> list[BinaryConv2d]:
    return [module for module in net.modules() if isinstance(module, BinaryConv2d)]


def kinds(pipeline: nn.Module) -> list[type[nn.Module]]:
    return [type(part) for part in pipeline.children()]


def test_every_binary_layer_is_made_of_the_published_parts() -> None:
    layers = binary_layers(tiny())
    assert len(layers) == 3
    for layer in layers:
        assert kinds(layer.input_pipeline) == [StandardizeActivation, QuantizeActivation, SignPolynomial]
        assert kinds(layer.weight_pipeline) == [StandardizeWeight, QuantizeWeight, SignIdentity]
        assert kinds(layer.output_scale) == [QuantizeGradient, ChannelScale]
    seeds = {tuple(m.get_extra_state().tolist()) for m in tiny().modules() if isinstance(m, QuantizeGradient)}
    assert len(seeds) == len(layers)


def test_published_settings() -> None:
    optimizer = create_optimizer(tiny(), method="cyclebnn")
    assert sorted(optimizer.parts) == ["latent", "ordinary"]  # type: ignore[attr-defined]
    for part in optimizer.parts.values():  # type: ignore[attr-defined]
        assert isinstance(part, AdamW)
        assert {(group["lr"], group["weight_decay"]) for group in part.param_groups} == {(1e-3, 1e-5)}
    defaults = resolve("cyclebnn").defaults
    assert (defaults.learning_rate, defaults.schedule) == (1e-3, "cosine")
    assert set(parameter_roles(tiny()).values()) == {Role.LATENT, Role.ORDINARY}


@pytest.mark.parametrize(("epochs", "cycles"), [(100, 8), (1, 5)])
def test_a_run_goes_through_its_cycles(epochs: int, cycles: int) -> None:
    net, run = tiny(), RunInfo(epochs=epochs, steps_per_epoch=5, rate=Constant(1.0))
    (callback,) = resolve("cyclebnn").callbacks(net, run)
    assert isinstance(callback, PrecisionSchedule)
    schedule = CyclicBits(2, 6, cycles, run.total_steps)
    assert (callback.bits, callback.gradient_bits) == (schedule, CyclicBits(8, 8, cycles, run.total_steps))
    restarts = cyclebnn().restarts
    assert restarts is not None
    assert restarts(run.total_steps) == schedule.jumps()


def test_five_steps_lower_the_loss_and_twenty_more_so() -> None:
    losses = train(tiny(), 20, lr=1e-2)
    assert losses[4] < losses[0]
    assert np.mean(losses[-3:]) < 0.7 * losses[0]


def test_what_is_evaluated_is_what_is_exported(tmp_path: Path) -> None:
    net, (x, _) = tiny(), digits()
    train(net, 5, lr=1e-2)
    with torch.no_grad():
        net.get_parameter("body.0.output_scale.1.alpha")[:2] *= torch.tensor([-1.0, 0.0])
    net.eval()
    logits = net(x)
    set_precision(net, 6, 8)
    assert torch.equal(net(x), logits)
    signbit.export(net, x[:4], tmp_path / "net.sbn")
    run = signbit.runtime.Session(tmp_path / "net.sbn").run(x.numpy())
    np.testing.assert_allclose(run, logits.detach(), rtol=1e-4, atol=1e-4)
    for layer in binary_layers(net):
        assert torch.equal(layer.binary_weight(), torch.where(layer.weight < 0, -1.0, 1.0))


def test_published_evaluation_follows_the_bits_and_is_not_exported(tmp_path: Path) -> None:
    net, (x, _) = tiny(eval_bits="published"), digits()
    train(net, 5)
    net.eval()
    logits = []
    for bits in (1, 8):
        set_precision(net, bits, 8)
        logits.append(net(x))
    assert not torch.allclose(*logits)
    message = r"^body\.0: training-only state refused: eval_bits='published' .* 8 bits .* eval_bits=None .* state_dict"
    with pytest.raises(ExportError, match=message) as caught:
        signbit.export(net, x[:4], tmp_path / "net.sbn")
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())
    plain = tiny()
    plain.load_state_dict(net.state_dict())  # what the message says to do
    assert signbit.export(plain, x[:4], tmp_path / "net.sbn").packed_layers == 3


def test_with_stored_weights_the_activation_side_stays() -> None:
    net = tiny("bop2nd+cyclebnn")
    for layer in binary_layers(net):
        assert kinds(layer.input_pipeline) == [StandardizeActivation, QuantizeActivation, SignPolynomial]
        assert kinds(layer.weight_pipeline) == []
    losses = train(net, 10, "bop2nd+cyclebnn")
    assert np.mean(losses[-3:]) < losses[0]


def unalike(method: str) -> tuple[BinaryConv2d, Tensor]:
    """A layer with thresholds off zero, and samples of any spread but one: as dividing by it would move a threshold."""
    torch.manual_seed(3)
    layer = resolve(method).layers().conv2d(4, 6, 3, padding=1)
    assert isinstance(layer, BinaryConv2d)
    for name, parameter in layer.named_parameters():
        if name.endswith(".threshold"):
            nn.init.uniform_(parameter, -1, 1)
        elif name.endswith(".slope"):
            nn.init.uniform_(parameter, 0.5, 2)
    return layer, torch.randn(3, 4, 6, 6) * torch.tensor([0.2, 3.0, 11.0]).view(-1, 1, 1, 1)


@pytest.mark.parametrize("method", ["cyclebnn", "si-bnn+cyclebnn", "cyclebnn+si-bnn", "cyclebnn+sd-bnn"])
def test_training_and_evaluation_take_the_same_signs_but_for_the_grid(method: str) -> None:
    """At 16 bits the grid is finer than the data: both see the same bits, and in them the same sums."""
    layer, x = unalike(method)
    set_precision(layer, 16, 8)
    with torch.no_grad():
        trained, bits = layer(x), layer.input_pipeline(x)
        layer.eval()
        assert torch.equal(layer.input_pipeline(x), bits)
        assert torch.equal(layer(x), trained)
    assert bits.unique().numel() == 2


@pytest.mark.parametrize("bits", [1, 2, 5])
@pytest.mark.parametrize("method", ["si-bnn+cyclebnn", "cyclebnn+si-bnn", "sfao+si-bnn+cyclebnn"])
def test_threshold_then_an_unsigned_grid(method: str, bits: int) -> None:
    """y = s (x - t), divided by the spread of its sample, on a grid from 0: 1 from half a level up, against numpy."""
    layer, x = unalike(method)
    set_precision(layer, bits, 8)
    t, s = (p.detach().double().numpy()[:, None, None] for p in layer.input_pipeline[0].parameters())  # type: ignore[union-attr]
    y = s * (x.double().numpy() - t)
    z = y / np.sqrt(y.reshape(3, -1).var(1, ddof=1) + 1e-5)[:, None, None, None]
    level = z.max() / (2**bits - 1)
    np.testing.assert_array_equal(layer.input_pipeline(x).detach(), z > level / 2)
    np.testing.assert_array_equal(layer.eval().input_pipeline(x).detach(), y > 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 0}, "1 <= low <= high"),
        ({"low": 7}, "low 7, high 6"),
        ({"high": 17}, "1 to 16 bits"),
        ({"gradient_low": 9}, "low 9, high 8"),
        ({"cycles": 0}, "at least one step"),
        ({"eval_bits": 4}, "eval_bits is None"),
        ({"bits": 4}, "no setting 'bits'"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny(**options)
