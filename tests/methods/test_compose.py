"""Combining methods: who owns what, in which order, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor, nn
from torch.nn import functional as F

from signbit.alphabet import Alphabet
from signbit.binarizers import SignIdentity, SignPolynomial
from signbit.errors import ConfigError, IncompatibleMethods, UnknownNameError
from signbit.layers import BinaryConv2d, BinaryLinear
from signbit.methods import (
    METHODS,
    PAIRINGS,
    Method,
    RunInfo,
    Scale,
    Slot,
    Stage,
    Staged,
    TrainingDefaults,
    UpdateRule,
    Weights,
    create_model,
    create_optimizer,
    pairings,
    resolve,
)
from signbit.methods.compose import _joined
from signbit.methods.pairings import Pairing, pairing
from signbit.optimizers import Clamped
from signbit.roles import Role, parameter_roles
from signbit.schedules import Constant
from signbit.training import RunConfig


class Marked(nn.Module):
    """A transform that remembers who made it and for which alphabet."""

    def __init__(self, mark: str, alphabet: Alphabet) -> None:
        super().__init__()
        self.mark, self.alphabet = mark, alphabet

    def forward(self, x: Tensor) -> Tensor:
        return x


def staged(stage: Stage, mark: str) -> Staged:
    return Staged(stage, lambda _channels, alphabet: Marked(mark, alphabet))


class Half(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / 2


class Norm(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight.flatten(1).norm(dim=1)


def marks(pipeline: nn.Module) -> list[str]:
    return [part.mark for part in pipeline.modules() if isinstance(part, Marked)]


def test_every_pair_of_methods_has_one_entry() -> None:
    pairs = [frozenset(entry.methods) for entry in PAIRINGS]
    assert sorted(map(sorted, pairs)) == sorted(sorted(pair) for pair in combinations(METHODS.names(), 2))
    for entry in PAIRINGS:
        assert entry.note
        assert set(entry.owners.values()) <= set(entry.methods)
        assert entry.works or not entry.owners


@pytest.mark.parametrize("entry", PAIRINGS, ids=lambda entry: "+".join(entry.methods))
def test_every_pair_trains_or_says_why_not(entry: Pairing) -> None:
    for names in (entry.methods, entry.methods[::-1]):
        name = "+".join(names)
        if not entry.works:
            with pytest.raises(IncompatibleMethods) as caught:
                resolve(name)
            assert entry.note in str(caught.value)
            continue
        torch.manual_seed(0)
        net = create_model("convnet-tiny", method=name, num_classes=4, input_size=(1, 1, 8, 8), width=8)
        optimizer = create_optimizer(net, method=name, total_steps=100)
        x, y = torch.randn(32, 1, 8, 8), torch.arange(32) % 4
        losses = []
        for _ in range(6):
            loss = F.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert np.isfinite(losses).all()
        assert min(losses[-2:]) < losses[0]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("bop+ste", IncompatibleMethods, "'bop' and 'ste' cannot be combined: both say how every weight is stored"),
        ("bop+bop2nd", IncompatibleMethods, "a tensor has one owner"),
        ("float+bop", IncompatibleMethods, "nothing to binarize"),
        ("bop+bop", IncompatibleMethods, "names every method once; got 'bop+bop'"),
        ("bop+", UnknownNameError, "unknown method ''"),
        ("bop + ste", UnknownNameError, "unknown method 'bop '"),
        ("", UnknownNameError, "unknown method ''"),
    ],
)
def test_refusals_name_the_reason_everywhere(name: str, error: type[Exception], message: str) -> None:
    for call in (
        lambda: resolve(name),
        lambda: create_model("resnet20", method=name, num_classes=10),
        lambda: create_optimizer(nn.Linear(1, 1), method=name),
        lambda: RunConfig(method=name),
    ):
        with pytest.raises(error) as caught:
            call()
        assert message in str(caught.value)


def test_options_of_a_method_are_known_to_it() -> None:
    with pytest.raises(ConfigError, match="method 'bop' has no setting 'strength'; it has: surrogate"):
        resolve("bop", {"strength": 1})
    with pytest.raises(ConfigError, match="no setting 'strength'"):
        RunConfig(method="ste", method_options={"strength": 1})


A = Method(
    name="a",
    activation_transforms=(staged(Stage.QUANTIZE, "a-quantize"), staged(Stage.DISTRIBUTE, "a-distribute")),
    activations=lambda _: SignPolynomial(),
    weight_transforms=(staged(Stage.STANDARDIZE, "a-weights"),),
    outputs=(lambda _: Marked("a-output", Alphabet.PM1),),
    rules={
        Role.LATENT: UpdateRule(torch.optim.SGD, {"lr": 0.5}),
        Role.ORDINARY: UpdateRule(torch.optim.SGD, {"lr": 1}),
    },
    callbacks=(lambda _network, _run: Callback(),),
    restarts=lambda total: (total // 2,),
    defaults=TrainingDefaults(0.5, "cosine"),
)
B = Method(
    name="b",
    activation_transforms=(staged(Stage.THRESHOLD, "b-threshold"), staged(Stage.DISTRIBUTE, "b-distribute")),
    activations=lambda _: SignIdentity(),
    weight_transforms=(staged(Stage.DISTRIBUTE, "b-weights"),),
    weights=Weights(Role.LATENT, lambda _: SignIdentity(), clamp=0.5, initialize=lambda w: w.fill_(0.25)),
    scale=Scale(output=lambda _: Half(), filter=lambda _: Norm()),
    callbacks=(lambda _network, _run: Callback(),),
    restarts=lambda total: (total // 4, total // 2),
)


@pytest.fixture
def _b_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Pairing(("a", "b"), True, "for the test", {Slot.ACTIVATIONS: "a"})
    monkeypatch.setattr(pairings, "PAIRINGS", (entry,))


@pytest.mark.usefixtures("_b_gives_way")
def test_transforms_go_by_stage_and_exclusive_slots_by_the_table() -> None:
    for records, distribute in (([A, B], ["a-distribute", "b-distribute"]), ([B, A], ["b-distribute", "a-distribute"])):
        both = _joined("a+b", records)
        layer = both.layers().conv2d(4, 6, 3)
        assert isinstance(layer, BinaryConv2d)
        assert marks(layer.input_pipeline) == [*distribute, "b-threshold", "a-quantize"]
        assert isinstance(layer.input_pipeline[-1], SignPolynomial)
        assert marks(layer.weight_pipeline) == ["b-weights", "a-weights"]
        assert isinstance(layer.weight_pipeline[-1], SignIdentity)
        assert [type(part) for part in layer.output_scale.children()] == [Marked, Half]
        assert bool((layer.weight == 0.25).all())


@pytest.mark.usefixtures("_b_gives_way")
def test_both_layers_multiply_by_both_scales() -> None:
    layers = _joined("a+b", [A, B]).layers()
    for layer, x in ((layers.conv2d(4, 6, 3), torch.randn(2, 4, 5, 5)), (layers.linear(4, 6), torch.randn(2, 4))):
        assert isinstance(layer, BinaryConv2d | BinaryLinear)
        assert layer.filter_scale is not None
        y = layer(x)
        plain = 2 * y / torch.full((6,), 0.25 * (layer.weight[0].numel()) ** 0.5).view(-1, *(1,) * (y.dim() - 2))
        layer.filter_scale, layer.output_scale = None, nn.Identity()
        torch.testing.assert_close(layer(x), plain)


@pytest.mark.usefixtures("_b_gives_way")
def test_preferences_follow_the_names_and_lists_merge() -> None:
    both, run = _joined("b+a", [B, A]), RunInfo(epochs=4, steps_per_epoch=10, rate=Constant(1.0))
    assert both.defaults == A.defaults
    assert len(both.callbacks(nn.Linear(1, 1), run)) == 2
    seen: list[RunInfo] = []

    def build(_network: nn.Module, info: RunInfo) -> Callback:
        seen.append(info)
        return Callback()

    _joined("b+a", [replace(B, callbacks=(build,)), A]).callbacks(nn.Linear(1, 1), run)
    assert seen[0].restarts == (10, 20)
    assert both.rules[Role.LATENT].options == {"lr": 0.5, "bound": 0.5}
    optimizer = both.rules[Role.LATENT].build([nn.Parameter(torch.ones(3))], **both.rules[Role.LATENT].options)
    assert isinstance(optimizer, Clamped)
    wrapped = replace(A, wrappers={Role.LATENT: lambda rule: replace(rule, options={"w": 0.5})})
    assert _joined("a+b", [wrapped, B]).rules[Role.LATENT].options == {"w": 0.5, "bound": 0.5}


@pytest.mark.usefixtures("_b_gives_way")
def test_a_slot_that_nobody_gives_up_is_an_error() -> None:
    contender = replace(B, name="c")
    with pytest.raises(IncompatibleMethods, match="'b', 'c' all fill the weights of a layer and none gives way"):
        _joined("b+c", [replace(B, activations=None), replace(contender, activations=None)])


def test_weight_transforms_need_latent_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairings, "PAIRINGS", (Pairing(("a", "bop"), True, "for the test"),))
    bop = METHODS["bop"].target()
    both = _joined("bop+a", [bop, A])
    layer = both.layers().conv2d(4, 6, 3)
    assert isinstance(layer, BinaryConv2d)
    assert len(layer.weight_pipeline) == 0
    assert set(both.rules) == {Role.BINARY, Role.ORDINARY}
    assert parameter_roles(layer)["weight"] is Role.BINARY
    assert pairing("bop", "a") is pairings.PAIRINGS[0]
