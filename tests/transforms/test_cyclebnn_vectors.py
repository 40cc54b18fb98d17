"""CycleBNN's parts against arrays that its authors' code computed (inputs of exactly zero do not occur in them)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from signbit.binarizers import SignIdentity, SignPolynomial
from signbit.layers import BinaryConv2d
from signbit.metrics.operations import released_code_cost
from signbit.schedules import CyclicBits
from signbit.transforms import (
    ChannelScale,
    QuantizeActivation,
    QuantizeGradient,
    QuantizeWeight,
    StandardizeActivation,
    StandardizeWeight,
)
from signbit.transforms import quantize_gradient as gradient_module
from signbit.transforms.quantize_gradient import quantize_gradient

FILE = Path(__file__).parents[1] / "vectors/cyclebnn.npz"

Arrays = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def arrays() -> Iterator[Arrays]:
    with np.load(FILE, allow_pickle=False) as file:
        yield dict(file)


def test_schedules_and_cost(arrays: Arrays) -> None:
    steps, cycles, low, high, gradient_low, gradient_high = (int(v) for v in arrays["sched_b26_args"])
    bits, gradient_bits = CyclicBits(low, high, cycles, steps), CyclicBits(gradient_low, gradient_high, cycles, steps)
    np.testing.assert_array_equal([bits(i) for i in range(steps)], arrays["sched_b26_bits"])
    np.testing.assert_array_equal([gradient_bits(i) for i in range(steps)], arrays["sched_b26_gradbits"])
    costs = [released_code_cost(bits(i), gradient_bits(i)) for i in range(steps)]
    np.testing.assert_allclose(costs, arrays["sched_b26_cost"], rtol=1e-15)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize(("name", "quantizer"), [("q_act", QuantizeActivation), ("q_w", QuantizeWeight)])
def test_quantizers(
    arrays: Arrays, name: str, quantizer: type[QuantizeActivation] | type[QuantizeWeight], bits: int
) -> None:
    np.testing.assert_array_equal(quantizer(bits)(torch.tensor(arrays[f"{name}_in"])), arrays[f"{name}_b{bits}"])


@pytest.mark.parametrize(("name", "binarizer"), [("signw", SignIdentity), ("signa", SignPolynomial)])
def test_signs(arrays: Arrays, name: str, binarizer: type[nn.Module]) -> None:
    x = torch.tensor(arrays["sign_in"]).requires_grad_()
    y = binarizer()(x)
    y.backward(torch.tensor(arrays["sign_gradout"]))
    apart = arrays["sign_in"] != 0
    np.testing.assert_array_equal(y.detach().numpy()[apart], arrays[f"{name}_out"][apart])
    np.testing.assert_allclose(x.grad, arrays[f"{name}_gradin"], atol=5e-7)


def test_gradient_quantizer(arrays: Arrays) -> None:
    gradient, noise = torch.tensor(arrays["gq_gradout"]), torch.tensor(arrays["gq_noise"])
    eight = torch.tensor(8)
    np.testing.assert_array_equal(quantize_gradient(gradient, eight, noise), arrays["gq_b8_stoch"])
    np.testing.assert_array_equal(quantize_gradient(gradient, eight, torch.zeros(())), arrays["gq_b8_det"])


def test_standardizers(arrays: Arrays) -> None:
    w, a = torch.tensor(arrays["conv_weight"]), torch.tensor(arrays["conv_in"])
    np.testing.assert_allclose(StandardizeWeight()(w), arrays["conv_w_std"], rtol=1e-6)
    np.testing.assert_allclose(StandardizeActivation()(a), arrays["conv_a_std"], rtol=1e-6)


def convolution(arrays: Arrays, bits: int, gradient_bits: int) -> BinaryConv2d:
    scale = ChannelScale(5)
    conv = BinaryConv2d(
        8, 5, 3, padding=1,
        input_pipeline=nn.Sequential(
            StandardizeActivation(), QuantizeActivation(bits, eval_bits="published"), SignPolynomial()
        ),
        weight_pipeline=nn.Sequential(
            StandardizeWeight(), QuantizeWeight(bits, eval_bits="published"), SignIdentity()
        ),
        output_scale=nn.Sequential(QuantizeGradient(gradient_bits), scale) if gradient_bits else scale,
    )  # fmt: skip
    with torch.no_grad():
        conv.weight.copy_(torch.tensor(arrays["conv_weight"]))
        scale.alpha.copy_(torch.tensor(arrays["conv_alpha"]).flatten())
    return conv


@pytest.mark.parametrize("bits", [2, 6])
@pytest.mark.parametrize("gradient_bits", [8, 0])
def test_whole_convolution(arrays: Arrays, monkeypatch: pytest.MonkeyPatch, bits: int, gradient_bits: int) -> None:
    def recorded_noise(_like: Tensor, _key: Tensor) -> Tensor:
        return torch.tensor(arrays["conv_gradnoise"])

    monkeypatch.setattr(gradient_module, "rounding_noise", recorded_noise)
    conv, of = convolution(arrays, bits, gradient_bits), f"conv_b{bits}_g{gradient_bits}_"
    x = torch.tensor(arrays["conv_in"]).requires_grad_()
    y = conv(x)
    y.backward(torch.tensor(arrays["conv_gradout"]))
    np.testing.assert_array_equal(y.detach(), arrays[of + "out"])
    np.testing.assert_allclose(x.grad, arrays[of + "gradin"], rtol=1e-5, atol=2e-5)
    assert conv.weight.grad is not None
    np.testing.assert_allclose(conv.weight.grad, arrays[of + "grad_weight"], rtol=1e-5, atol=2e-5)
    grads = {name: p.grad for name, p in conv.named_parameters() if name.endswith("alpha")}
    (alpha_grad,) = grads.values()
    np.testing.assert_allclose(alpha_grad, arrays[of + "grad_alpha"].flatten(), rtol=1e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize("bits", [2, 6])
def test_running_statistics_and_evaluation(arrays: Arrays, bits: int) -> None:
    conv, of = convolution(arrays, bits, 8), f"conv_b{bits}_g8_"
    x = torch.tensor(arrays["conv_in"])
    quantizer = conv.input_pipeline[1]
    assert isinstance(quantizer, QuantizeActivation)
    for forward in range(21):
        conv(x)
        if forward == 0:
            np.testing.assert_allclose(quantizer.running_low, arrays[of + "running_zero_point"].item(), rtol=1e-6)
            np.testing.assert_allclose(quantizer.running_range, arrays[of + "running_range"].item(), rtol=1e-6)
    np.testing.assert_array_equal(conv.eval()(x).detach(), arrays[of + "eval_out_after21"])
