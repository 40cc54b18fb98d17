"""Parameters, products and activation memory, against counts by hand and against brute force."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from signbit.binarizers import SignClip
from signbit.errors import ConfigError, ShapeError
from signbit.layers import BinaryConv2d, BinaryLinear
from signbit.methods import create_model
from signbit.metrics import LayerCost, layer_costs, training_operations
from signbit.roles import Role, parameter_roles


def binary_conv(inputs: int, outputs: int, **settings: object) -> BinaryConv2d:
    sides = {side: nn.Sequential(SignClip()) for side in ("input_pipeline", "weight_pipeline")}
    return BinaryConv2d(inputs, outputs, 3, **sides, **settings)  # type: ignore[arg-type]


def by_name(model: nn.Module, size: tuple[int, ...]) -> dict[str, LayerCost]:
    return {cost.name: cost for cost in layer_costs(model, size)}


def test_a_binary_convolution_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(1, 66, 1), binary_conv(66, 4, stride=2, padding=1, groups=2))
    cost = by_name(net, (8, 1, 5, 7))["1"]
    assert (cost.kernel, cost.stride, cost.groups) == ((3, 3), (2, 2), 2)
    assert cost.output_shape == (4, 3, 4)
    assert (cost.weight_bits, cost.input_bits) == (1, 1)
    assert cost.one_bit_parameters == 4 * 33 * 9
    assert cost.one_bit_macs == 4 * 3 * 4 * 33 * 9
    assert cost.float_macs == cost.parameters == 0
    assert cost.activation_bytes == -(-66 * 5 * 7 // 8) + 4 * 4 * 3 * 4


def test_binary_weights_on_a_real_input_are_float_arithmetic() -> None:
    layer = BinaryConv2d(3, 8, 3, weight_role=Role.BINARY)
    (cost,) = layer_costs(layer, (1, 3, 6, 6))
    assert (cost.weight_bits, cost.input_bits, cost.one_bit_parameters) == (1, 32, 216)
    assert (cost.one_bit_macs, cost.float_macs) == (0, 8 * 4 * 4 * 27)
    assert cost.activation_bytes == 4 * (3 * 6 * 6 + 8 * 4 * 4)


@pytest.mark.parametrize("method", ["float", "ste", "bop", "si-bnn", "sd-bnn"])
@pytest.mark.parametrize(("model", "size"), [("convnet-tiny", (1, 1, 8, 8)), ("resnet20", (1, 3, 8, 8))])
def test_products_and_parameters_are_all_counted_once(model: str, method: str, size: tuple[int, ...]) -> None:
    net = create_model(model, method=method, num_classes=10, input_size=size).eval()  # type: ignore[arg-type]
    costs = layer_costs(net, size)
    roles = parameter_roles(net)
    one_bit = sum(p.numel() for n, p in net.named_parameters() if roles[n] in (Role.BINARY, Role.LATENT))
    assert sum(cost.one_bit_parameters for cost in costs) == one_bit
    assert sum(cost.parameters for cost in costs) == sum(p.numel() for p in net.parameters()) - one_bit
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        net(torch.zeros(size))
    assert 2 * sum(cost.macs for cost in costs) == counter.get_total_flops()


@pytest.mark.parametrize("method", ["float", "ste", "sd-bnn"])
def test_gradient_products_are_those_that_autograd_computes(method: str) -> None:
    size = (1, 3, 8, 8)
    net = create_model("resnet20", method=method, num_classes=10, input_size=size)
    next(net.parameters()).requires_grad_(False)  # the stem's weight
    done = training_operations(layer_costs(net, size))
    counter = FlopCounterMode(display=False)
    with counter:
        net.eval()(torch.zeros(size)).sum().backward()
    assert done.float_twin == counter.get_total_flops() // 2 * 32 * 32


def test_bit_operations_of_a_network_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), binary_conv(2, 4))
    done = training_operations(layer_costs(net, (1, 1, 3, 3)), gradient_bits=8)
    first, second = 2 * 9, 4 * 2 * 9
    assert done.forward == first * 1024 + second
    assert done.weight_gradient == first * 1024 + second * 8
    assert done.input_gradient == second * 8, "nothing is trained before the first layer"
    assert done.float_twin == 1024 * (2 * first + 3 * second)
    assert done.total == done.forward + done.weight_gradient + done.input_gradient


def test_the_model_is_left_as_it_was() -> None:
    net = create_model("resnet20", method="cyclebnn", num_classes=10).train()
    net.get_submodule("stem").eval()
    modes = {name: module.training for name, module in net.named_modules()}
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    layer_costs(net, (1, 3, 32, 32))
    assert {name: module.training for name, module in net.named_modules()} == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = BinaryLinear(65, 65, weight_role=Role.BINARY)
        self.unused = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(self.layer(x))
        return y


def test_a_layer_called_twice_and_one_never_called() -> None:
    costs = by_name(Twice(), (1, 65))
    assert costs["layer"].macs == 2 * 65 * 65
    assert costs["layer"].one_bit_parameters == 65 * 65
    assert (costs["unused"].macs, costs["unused"].parameters, costs["unused"].output_shape) == (0, 6, ())


@pytest.mark.parametrize("size", [(1,), (1, 0, 8, 8), (1, 3, 8.0, 8)])
def test_sizes_that_are_none(size: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="input_size"):
        layer_costs(nn.Flatten(), size)


def test_images_that_the_network_does_not_take() -> None:
    net = create_model("convnet-tiny", method="ste", num_classes=10)
    with pytest.raises(ShapeError, match=r"\[3, 8, 8\]"):
        layer_costs(net, (1, 3, 8, 8))
    assert net.training
