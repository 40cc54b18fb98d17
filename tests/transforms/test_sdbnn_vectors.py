"""SD-BNN's parts against arrays that the authors' released modules computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from signbit.binarizers import SignEDE, ede_sharpness
from signbit.layers import BinaryConv2d
from signbit.transforms import SelfDistribution, WeightSelfDistribution

Arrays = Mapping[str, npt.NDArray[np.float32]]

GRADIENTS = {"rtol": 0, "atol": 5e-7}

FILE = Path(__file__).parents[1] / "vectors/sdbnn.npz"


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    with np.load(FILE) as file:
        return dict(file)


@pytest.mark.parametrize(("network", "t_min"), [("resnet20", 1e-3), ("resnet18", 1e-3), ("vgg", 1e-1)])
def test_course_of_ede(arrays: Arrays, network: str, t_min: float) -> None:
    t, k = arrays[f"ede_{network}_t"], arrays[f"ede_{network}_k"]
    course = [SignEDE(ede_sharpness(epoch, len(t), t_min)) for epoch in range(len(t))]
    np.testing.assert_allclose([ede.t.item() for ede in course], t, rtol=1e-6)
    np.testing.assert_allclose([ede.k.item() for ede in course], k, rtol=1e-6)


@pytest.mark.parametrize("case", range(5))
def test_ede(arrays: Arrays, case: int) -> None:
    k, t = arrays["ede_kt_pairs"][case]
    ede = SignEDE(float(t))
    assert ede.k.item() == pytest.approx(k)
    x = torch.tensor(arrays["ede_x"]).requires_grad_()
    y = ede(x)
    y.backward(torch.tensor(arrays["ede_gradout"]))
    signed = arrays["ede_x"] != 0  # the released modules have a third symbol at zero
    np.testing.assert_array_equal(y.detach()[signed], arrays[f"ede_{case}_out"][signed])
    np.testing.assert_allclose(x.grad, arrays[f"ede_{case}_gradin"], **GRADIENTS)


def filled(transform: SelfDistribution, first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> None:
    with torch.no_grad():
        transform.squeeze.weight.copy_(torch.tensor(first)[:, :, None, None])
        transform.expand.weight.copy_(torch.tensor(second)[:, :, None, None])


def test_activation_self_distribution(arrays: Arrays) -> None:
    asd = SelfDistribution(32, reduction=16)
    filled(asd, arrays["asd_fc1_weight"], arrays["asd_fc2_weight"])
    x = torch.tensor(arrays["asd_in"]).requires_grad_()
    shift = asd.shift(x)
    shift.backward(torch.tensor(arrays["asd_gradout"]))
    np.testing.assert_allclose(shift.detach(), arrays["asd_out"], rtol=3e-7)  # sums in another order
    np.testing.assert_allclose(x.grad, arrays["asd_gradin"], **GRADIENTS)
    for weight, name in ((asd.squeeze.weight, "fc1"), (asd.expand.weight, "fc2")):
        assert weight.grad is not None
        np.testing.assert_allclose(weight.grad[:, :, 0, 0], arrays[f"asd_grad_{name}"], **GRADIENTS)


def moved_tanh(steps: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """``torch.tanh`` with results moved by ``steps`` (-1, 0 or 1) to a neighbouring float."""
    tanh = torch.tanh
    return lambda x: tanh(x).nextafter(torch.full_like(x, 2.0 * steps)) if steps else tanh(x)


@pytest.mark.parametrize("case", ["a", "b"])
def test_whole_convolution(arrays: Arrays, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of = {name.removeprefix(f"conv_{case}_"): value for name, value in arrays.items() if name.startswith("conv_")}
    t, (stride, padding) = float(of["kt"][1]), of["stride_pad"].tolist()
    asd, wsd = SelfDistribution(32, reduction=16), WeightSelfDistribution(len(of["alpha"]))
    filled(asd, of["fc1"], of["fc2"])
    conv = BinaryConv2d(
        32, len(of["alpha"]), 3, stride=stride, padding=padding,
        input_pipeline=nn.Sequential(asd, SignEDE(t)), weight_pipeline=nn.Sequential(wsd, SignEDE(t)),
    )  # fmt: skip
    with torch.no_grad():
        conv.weight.copy_(torch.tensor(of["weight"]))
        wsd.alpha.copy_(torch.tensor(of["alpha"]))
    x = torch.tensor(of["in"]).requires_grad_()
    np.testing.assert_array_equal(conv(x).detach(), of["out"])
    np.testing.assert_allclose(asd.shift(x).detach(), of["beta"], rtol=3e-7)
    np.testing.assert_array_equal(wsd(conv.weight).detach(), of["w_adjusted"])

    parameters = {
        "gradin": x, "grad_weight": conv.weight, "grad_alpha": wsd.alpha,
        "grad_fc1": asd.squeeze.weight, "grad_fc2": asd.expand.weight,
    }  # fmt: skip
    found: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in parameters}
    for steps in (-1, 0, 1):
        with monkeypatch.context() as patched:
            patched.setattr(torch, "tanh", moved_tanh(steps))
            gradients = torch.autograd.grad(conv(x), list(parameters.values()), torch.tensor(of["gradout"]))
        for name, gradient in zip(parameters, gradients, strict=True):
            found[name].append(gradient.numpy().reshape(of[name].shape))
    # Mathematical libraries differ in the last bit of tanh, and 1 - tanh^2 carries it beyond the tolerance in 7 of the
    # 4,608 input gradients here: each is the nearest of those that follow from this tanh and its neighbours.
    choices = found.pop("gradin")
    nearest = np.abs(np.stack(choices) - of["gradin"]).argmin(axis=0)
    np.testing.assert_allclose(np.choose(nearest, choices), of["gradin"], **GRADIENTS)
    for name, (_, as_it_is, _) in found.items():
        np.testing.assert_allclose(as_it_is, of[name], **GRADIENTS, err_msg=name)
