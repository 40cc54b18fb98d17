"""SD-BNN as a whole: published counts, variants, the course of its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from signbit.binarizers import SignClip, SignEDE, SignPolynomial
from signbit.errors import ConfigError, UnknownNameError
from signbit.layers import BinaryConv2d, BinaryLinear
from signbit.methods import RunInfo, create_model, create_optimizer, resolve
from signbit.roles import Role, parameter_roles
from signbit.schedules import Constant
from signbit.transforms import SelfDistribution, WeightSelfDistribution


def test_parameters_of_resnet20_are_as_published() -> None:
    net = create_model("resnet20", method="sd-bnn", num_classes=10, input_size=(1, 3, 32, 32))
    roles = parameter_roles(net)
    sizes = {name: parameter.numel() for name, parameter in net.named_parameters()}
    assert sum(sizes.values()) == 274_074
    assert sum(size for name, size in sizes.items() if roles[name] is Role.LATENT) == 267_264


def test_one_layer_against_numpy() -> None:
    torch.manual_seed(0)
    layer = resolve("sd-bnn", {"strength": 0.7}).layers().conv2d(20, 6, 1)
    assert isinstance(layer, BinaryConv2d)
    asd, wsd = layer.input_pipeline[0], layer.weight_pipeline[0]
    assert isinstance(asd, SelfDistribution)
    assert isinstance(wsd, WeightSelfDistribution)
    nn.init.normal_(wsd.alpha)
    x, w = torch.randn(3, 20, 4, 4), layer.weight.detach().numpy()[:, :, 0, 0]
    a1, a2 = (conv.weight.detach().numpy()[:, :, 0, 0] for conv in (asd.squeeze, asd.expand))
    beta = 1 / (1 + np.exp(-np.maximum(x.numpy().mean((2, 3)) @ a1.T, 0) @ a2.T))
    u = x.numpy() + beta[:, :, None, None]
    mean = w.mean(1, keepdims=True)
    shifted = w + 0.7 / (1 + np.exp(-wsd.alpha.detach().numpy()[:, None])) * mean
    expected = np.einsum("nchw,oc->nohw", np.where(u < 0, -1, 1), np.where(shifted < 0, -1, 1))
    np.testing.assert_array_equal(layer(x).detach(), expected)


def test_linear_layers_distribute_too() -> None:
    layer = resolve("sd-bnn").layers().linear(32, 5)
    assert isinstance(layer, BinaryLinear)
    assert layer(torch.randn(4, 32)).shape == (4, 5)


def test_variants() -> None:
    cifar, imagenet = (resolve("sd-bnn", {"variant": name}) for name in ("cifar", "imagenet"))
    assert isinstance(cifar.activations(8), SignEDE)
    assert isinstance(imagenet.activations(8), SignPolynomial)
    assert imagenet.weights.binarizer is not None
    assert isinstance(imagenet.weights.binarizer(8), SignClip)
    for method, hidden in ((cifar, 4), (imagenet, 8), (resolve("sd-bnn", {"reduction": 2}), 32)):
        layer = method.layers().conv2d(64, 8, 3)
        assert layer.input_pipeline[0].squeeze.out_channels == hidden  # type: ignore[union-attr, index]
    assert [(m.defaults.learning_rate, m.defaults.schedule) for m in (cifar, imagenet)] == [
        (0.11, "cosine"), (1e-3, "linear")
    ]  # fmt: skip


def test_sgd_decays_everything() -> None:
    net = create_model("convnet-tiny", method="sd-bnn", num_classes=10)
    for group in create_optimizer(net, method="sd-bnn").param_groups:
        assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.11, 0.9, 1e-4)


def test_the_callback_drives_every_binarizer() -> None:
    net = create_model("convnet-tiny", method="sd-bnn", num_classes=10)
    (callback,) = resolve("sd-bnn", {"t_min": 0.1}).callbacks(net, RunInfo(4, 7, Constant(1.0)))

    class At:
        current_epoch = 2

    logged: dict[str, float] = {}

    class Logger:
        def log(self, name: str, value: float) -> None:
            logged[name] = value

    callback.on_train_epoch_start(At(), Logger())  # type: ignore[arg-type]
    ts = {round(module.t.item(), 5) for module in net.modules() if isinstance(module, SignEDE)}
    assert ts == {1.0}
    assert logged == {"ede_t": pytest.approx(1.0)}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"variant": "cifar10"}, UnknownNameError, "did you mean cifar"),
        ({"t_min": 0.0}, ConfigError, "t_min=0.0"),
        ({"strenght": 1}, ConfigError, "did you mean strength"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        resolve("sd-bnn", options)
