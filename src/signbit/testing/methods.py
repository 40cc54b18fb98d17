"""What every method must hold, alone or combined."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from signbit.layers import BinaryLayer
from signbit.methods import create_model, create_optimizer, resolve
from signbit.roles import Role, parameter_roles
from signbit.testing.interruptions import Interruption, interruptions, nothing

SIZE, CLASSES, STEPS = (1, 1, 8, 8), 4, 6

Build = Callable[[], tuple[nn.Module, Optimizer]]
"""Makes a network and its optimizer, the same ones each time."""


def check_method(name: str, options: Mapping[str, object] | None = None, *, device: str = "cpu") -> None:
    """Raise AssertionError unless networks and optimizers of a method behave as one expects of torch's own.

    Checked on ``convnet-tiny``: every parameter is claimed once; layers compute with the symbols of their alphabets,
    before and after training, and latent weights keep within their clamp; equal runs are equal; a run saved to bytes
    and loaded (as plain data), deep-copied or pickled in the middle ends as an uninterrupted one; bfloat16 autocast
    gives finite gradients; NaN in an image or in a weight reaches the logits; and ``torch.compile`` captures one graph
    that computes the same, in training and evaluation.

    Parameters
    ----------
    name : registered, or several joined by ``+``.
    options : of the method.
    device : where to check, for example "cuda", there with deterministic convolutions in full float32.

    >>> check_method("bop")
    """

    def build() -> tuple[nn.Module, Optimizer]:
        torch.manual_seed(1)
        model = create_model(
            "convnet-tiny", method=name, num_classes=CLASSES, input_size=SIZE, method_options=options, width=8
        ).to(device)
        return model, create_optimizer(model, method=name, total_steps=STEPS, method_options=options)

    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        _check(build, resolve(name, options).weights.clamp)


def _check(build: Build, clamp: float | None) -> None:
    _check_claims(*build())
    through = _run(build, nothing)
    for model in (build()[0], through):
        for mode in (True, False):
            _check_symbols(copy.deepcopy(model).train(mode), clamp)
    assert _equal(through, _run(build, nothing)), "two equal runs end in different networks"
    for what, interrupt in interruptions(partial(_save_and_load, build)).items():
        again = _run(build, interrupt)
        assert _equal(through, again), f"{what} in the middle changes the run"
    _check_half_precision(build()[0])
    _check_nan(build()[0])
    _check_compiled(build()[0])


def _check_claims(model: nn.Module, optimizer: Optimizer) -> None:
    claimed = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    owned = [id(parameter) for parameter in model.parameters() if parameter.requires_grad]
    assert sorted(claimed) == sorted(owned), f"{len(claimed)} claims on {len(owned)} parameters; each has one owner"


def _batch(model: nn.Module) -> tuple[Tensor, Tensor]:
    device = next(model.parameters()).device
    x = torch.randn(16, *SIZE[1:], generator=torch.Generator().manual_seed(2))
    return x.to(device), torch.arange(16, device=device) % CLASSES


def _train(model: nn.Module, optimizer: Optimizer, steps: int) -> None:
    x, y = _batch(model)
    for _ in range(steps):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()


State = tuple[nn.Module, Optimizer]


def _run(build: Build, interrupt: Interruption) -> nn.Module:
    state: State = build()
    _train(*state, STEPS // 2)
    state = interrupt(state)
    _train(*state, STEPS - STEPS // 2)
    return state[0]


def _save_and_load(build: Build, state: State) -> State:
    file = io.BytesIO()
    torch.save([part.state_dict() for part in state], file)
    file.seek(0)
    model, optimizer = build()
    weights, moments = torch.load(file, weights_only=True)
    model.load_state_dict(weights)
    optimizer.load_state_dict(moments)
    return model, optimizer


def _equal(one: nn.Module, other: nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@torch.no_grad()
def _check_symbols(model: nn.Module, clamp: float | None) -> None:
    for name, layer in model.named_modules():
        if not isinstance(layer, BinaryLayer):
            continue
        stray = _outside(layer.binary_weight(), (-1, 1))
        assert stray == [], f"{name}: weights are -1 or +1; got {stray}"
        if len(layer.input_pipeline):
            x = torch.randn(3, layer.weight.shape[1], 4, 4, generator=torch.Generator().manual_seed(3))
            x = x.to(layer.weight.device)
            x[0], x[1] = 0.0, -0.0
            alphabet: Any = layer.input_pipeline[-1].alphabet
            stray = _outside(layer.input_pipeline(x), (alphabet.low, alphabet.high))
            assert stray == [], f"{name}: activations are in {alphabet.name}; got {stray}"
    for name, role in parameter_roles(model).items():
        if role is Role.LATENT and clamp is not None:
            largest = model.get_parameter(name).abs().max().item()
            assert largest <= clamp, f"{name}: latent weights are within {clamp}; got {largest}"


def _outside(values: Tensor, symbols: tuple[int, int]) -> list[float]:
    return sorted(set(values[(values != symbols[0]) & (values != symbols[1])].tolist()))[:3]


def _check_half_precision(model: nn.Module) -> None:
    x, y = _batch(model)
    with torch.autocast(x.device.type, torch.bfloat16):
        loss = F.cross_entropy(model(x), y)
    torch.autograd.backward(loss)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, f"{name} gets no gradient under bfloat16"
        assert bool(parameter.grad.isfinite().all()), f"the gradient of {name} is not finite under bfloat16"


@torch.no_grad()
def _check_nan(model: nn.Module) -> None:
    x, _ = _batch(model)
    spoiled = x.clone()
    spoiled[3, 0, 2, 2] = torch.nan
    assert bool(copy.deepcopy(model)(spoiled).isnan().any()), "NaN in an image is lost on its way to the logits"
    for name, layer in model.named_modules():
        if isinstance(layer, BinaryLayer):
            twin = copy.deepcopy(model)
            twin.get_parameter(f"{name}.weight").view(-1)[5] = torch.nan
            assert bool(twin(x).isnan().any()), f"NaN in the weight of {name} is lost on its way to the logits"


def _check_compiled(model: nn.Module) -> None:
    x, _ = _batch(model)
    torch.compiler.reset()  # networks of other methods share this one's code, and torch compiles one code so many times
    for mode in (True, False):
        plain, twin = (copy.deepcopy(model).train(mode) for _ in range(2))
        # The backend "eager" runs the captured graph as it is: it shows graph breaks and needs no compiler.
        compiled = torch.compile(twin, fullgraph=True, backend="eager")
        with warnings.catch_warnings():
            # Capturing an autograd function makes torch warn about itself.
            warnings.filterwarnings(
                "ignore", "<class 'torch.autograd.function.Function'> should not be", DeprecationWarning
            )
            torch.testing.assert_close(compiled(x), plain(x), msg=f"torch.compile changes the result, training={mode}")
