"""Grids of weights, activations and gradients against numpy, and what they keep."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from signbit.alphabet import Alphabet
from signbit.binarizers import SignIdentity, SignPolynomial
from signbit.errors import ConfigError, ShapeError
from signbit.layers import BinaryConv2d, BinaryLinear
from signbit.transforms import (
    ChannelScale,
    Precision,
    QuantizeActivation,
    QuantizeGradient,
    QuantizeWeight,
    StandardizeActivation,
    StandardizeWeight,
)
from signbit.transforms.precision import on_grid
from signbit.transforms.quantize_gradient import quantize_gradient, rounding_noise

Array = NDArray[np.float32]

seeds = st.integers(0, 2**20)
bits_of_a_grid = st.integers(1, 8)


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def grid(x: Array, bits: int, low: Array, high: Array) -> Array:
    """The level of the grid that is nearest to each number, found among all levels; ties as numpy's rint decides."""
    step = np.maximum((high - low) / np.float32(2**bits - 1), np.float32(1e-8))
    place = np.clip((x - low) / step, 0, 2**bits - 1)
    below = np.floor(place)
    rest = place - below
    up = (rest > 0.5) | ((rest == 0.5) & (below % 2 == 1))
    levels: Array = ((below + up).astype(np.float32) * step + low).astype(np.float32)
    return levels


@settings(derandomize=True, deadline=None, max_examples=30)
@given(bits_of_a_grid, seeds)
def test_values_are_the_nearest_levels(bits: int, seed: int) -> None:
    x = draw(5, 3, 4, 2, seed=seed)
    n = x.numpy()
    np.testing.assert_array_equal(QuantizeActivation(bits)(x), grid(n, bits, n.min(), n.max()))
    low, high = (m(n.reshape(5, -1), axis=1).reshape(5, 1, 1, 1) for m in (np.min, np.max))
    np.testing.assert_array_equal(QuantizeWeight(bits)(x), grid(n, bits, low, high))


@settings(derandomize=True, deadline=None, max_examples=30)
@given(bits_of_a_grid, seeds)
def test_a_grid_moves_no_number_by_more_than_half_a_step_and_is_at_rest_on_its_levels(bits: int, seed: int) -> None:
    x = draw(200, seed=seed)
    low, high = x.aminmax()
    y = on_grid(x, torch.tensor(bits), low, high)
    step = (high - low) / (2**bits - 1)
    assert (y - x).abs().max() <= step / 2 * (1 + 1e-5)
    assert len(y.unique()) <= 2**bits
    torch.testing.assert_close(on_grid(y, torch.tensor(bits), low, high), y)


def test_numbers_outside_the_range_go_to_its_ends() -> None:
    x = torch.tensor([-9.0, -1.0, 2.0, 9.0])
    assert on_grid(x, torch.tensor(3), torch.tensor(-1.0), torch.tensor(2.0)).tolist() == [-1, -1, 2, 2]


@pytest.mark.parametrize("value", [0.0, -3.5, 1e-30])
def test_a_constant_tensor_stays(value: float) -> None:
    x = torch.full((2, 3, 2, 2), value)
    for transform in (QuantizeActivation(2), QuantizeWeight(2)):
        assert torch.equal(transform(x), x)
    assert torch.equal(quantize_gradient(x, torch.tensor(8), torch.full_like(x, -0.5)), x)


def test_an_unsigned_grid_rounds_what_is_positive_and_leaves_the_rest() -> None:
    transform = QuantizeActivation(2, alphabet=Alphabet.ZERO_ONE)
    x = torch.tensor([-7.0, -0.1, 0.0, 0.4, 0.6, 2.4, 3.0], requires_grad=True)
    y = transform(x)
    torch.testing.assert_close(y, torch.tensor([-7.0, -0.1, 0.0, 0.0, 1.0, 2.0, 3.0]))
    upstream = torch.arange(7.0)
    y.backward(upstream)
    assert torch.equal(x.grad, upstream)  # type: ignore[arg-type]
    assert (transform.running_low, transform.running_range) == (0, pytest.approx(0.3))
    below = torch.tensor([-2.0, -1.0])
    assert torch.equal(transform(below), below)
    assert transform.running_range == pytest.approx(0.27)


@pytest.mark.parametrize("make", [QuantizeActivation, QuantizeWeight])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_gradients_pass_as_they_are(make: type[Precision], dtype: torch.dtype) -> None:
    x = draw(3, 4, 5, seed=0).to(dtype).requires_grad_()
    upstream = draw(3, 4, 5, seed=1).to(dtype)
    y = make(3)(x)
    y.backward(upstream)
    assert y.dtype == dtype
    assert torch.equal(x.grad, upstream)  # type: ignore[arg-type]


def test_half_precision_rounds_as_float_does() -> None:
    x = draw(6, 64, seed=0).bfloat16()
    for make in (QuantizeActivation, QuantizeWeight):
        assert torch.equal(make(8)(x), make(8)(x.float()).bfloat16())


def test_running_range_starts_from_zero() -> None:
    transform = QuantizeActivation()
    low = range_ = 0.0
    for seed in range(5):
        x = draw(4, 3, 2, 2, seed=seed)
        transform(x)
        low = 0.9 * low + 0.1 * x.min().item()
        range_ = 0.9 * range_ + 0.1 * (x.max() - x.min()).item()
    assert (transform.running_low, transform.running_range) == (pytest.approx(low), pytest.approx(range_))
    before = copy.deepcopy(transform.state_dict())
    transform.eval()(draw(2, 3, seed=9))
    assert all(torch.equal(value, before[name]) for name, value in transform.state_dict().items())


def layer(eval_bits: Any = None) -> BinaryConv2d:
    torch.manual_seed(0)
    return BinaryConv2d(
        4, 6, 3, padding=1,
        input_pipeline=nn.Sequential(StandardizeActivation(), QuantizeActivation(2, eval_bits), SignPolynomial()),
        weight_pipeline=nn.Sequential(StandardizeWeight(), QuantizeWeight(2, eval_bits), SignIdentity()),
        output_scale=nn.Sequential(QuantizeGradient(seed=7), ChannelScale(6)),
    )  # fmt: skip


def test_evaluation_takes_plain_signs_whatever_the_bits() -> None:
    conv, x = layer(), draw(3, 4, 8, 8, seed=1)
    conv(x)
    conv.eval()
    plain = nn.functional.conv2d(torch.where(x < 0, -1.0, 1.0), torch.where(conv.weight < 0, -1.0, 1.0), padding=1)
    expected = plain * conv.get_parameter("output_scale.1.alpha").view(-1, 1, 1)
    for bits in (2, 6):
        for module in conv.modules():
            if isinstance(module, Precision):
                module.set_bits(bits)
        assert torch.equal(conv(x), expected)


def test_published_evaluation_depends_on_the_bits() -> None:
    conv, x = layer("published"), draw(3, 4, 8, 8, seed=1)
    conv(x)
    conv.eval()
    quantizer = conv.get_submodule("input_pipeline.1")
    assert isinstance(quantizer, QuantizeActivation)
    low, range_ = quantizer.running_low.numpy(), quantizer.running_range.numpy()
    for bits in (2, 6):
        quantizer.set_bits(bits)
        np.testing.assert_array_equal(quantizer(x), grid(x.numpy(), bits, low, low + range_))


def test_stochastic_rounding_is_right_on_average_and_stays_on_the_grid() -> None:
    gradient = torch.tensor([-1.0, -0.3, 0.0, 0.21, 2.0]).expand(4000, 5)
    rounded = quantize_gradient(gradient, torch.tensor(2), rounding_noise(gradient, torch.tensor(0)))
    assert set(rounded.unique().tolist()) == {-1, 0, 1, 2}
    # One draw deviates by at most half a step of 1: five standard errors are 0.04.
    torch.testing.assert_close(rounded.mean(0), gradient[0], atol=0.04, rtol=0)


def rounded_gradients(transform: QuantizeGradient, steps: int) -> list[Tensor]:
    upstream, gradients = draw(4, 5, 3, 3, seed=2), []
    for _ in range(steps):
        x = torch.zeros_like(upstream).requires_grad_()
        transform(x).backward(upstream)
        assert x.grad is not None
        gradients.append(x.grad)
    return gradients


def test_rounding_follows_from_the_seed_and_goes_on_after_an_interruption() -> None:
    through = rounded_gradients(QuantizeGradient(2, seed=5), 4)
    assert not torch.equal(through[0], through[1])
    assert not torch.equal(through[0], rounded_gradients(QuantizeGradient(2, seed=6), 1)[0])
    begun = QuantizeGradient(2, seed=5)
    rounded_gradients(begun, 2)
    loaded = QuantizeGradient(4)
    loaded.load_state_dict(begun.state_dict())
    for other in (loaded, copy.deepcopy(begun), pickle.loads(pickle.dumps(begun))):
        for gradient, expected in zip(rounded_gradients(other, 2), through[2:], strict=True):
            assert torch.equal(gradient, expected)


def test_layers_round_differently_and_a_seeded_run_repeats() -> None:
    torch.manual_seed(3)
    one, two = QuantizeGradient(2), QuantizeGradient(2)
    torch.manual_seed(3)
    again = QuantizeGradient(2)
    first, second, repeated = (rounded_gradients(transform, 1)[0] for transform in (one, two, again))
    assert torch.equal(first, repeated)
    assert not torch.equal(first, second)


def test_in_evaluation_the_gradient_passes_and_nothing_is_drawn() -> None:
    transform = QuantizeGradient(2, seed=0).eval()
    before = transform.get_extra_state()
    assert torch.equal(rounded_gradients(transform, 1)[0], draw(4, 5, 3, 3, seed=2))
    assert torch.equal(transform.get_extra_state(), before)


def test_the_gradient_is_scaled_before_it_is_rounded() -> None:
    transform, scale = QuantizeGradient(8, seed=1), ChannelScale(3)
    x = draw(2, 3, 4, 4, seed=0).requires_grad_()
    upstream = draw(2, 3, 4, 4, seed=1)
    scale(transform(x)).backward(upstream)
    scaled = upstream * scale.alpha.detach().view(-1, 1, 1)
    seed, draws = transform.get_extra_state()
    expected = quantize_gradient(scaled, torch.tensor(8), rounding_noise(scaled, seed + draws))
    assert torch.equal(x.grad, expected)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:.*'torch.autograd.function.Function'.*:DeprecationWarning")
def test_a_compiled_layer_is_one_graph_and_computes_the_same_at_every_precision() -> None:
    plain = layer()
    twin = copy.deepcopy(plain)
    # The backend "aot_eager" splits forward from backward, which may then compute parts of forward again.
    compiled = torch.compile(twin, fullgraph=True, backend="aot_eager", dynamic=False)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for step, bits in enumerate((2, 3, 6)):
            x, upstream = draw(2, 4, 6, 6, seed=step), draw(2, 6, 6, 6, seed=10 + step)
            for module in (*plain.modules(), *twin.modules()):
                if isinstance(module, Precision):
                    module.set_bits(bits)
            for model, call in ((plain, plain), (twin, compiled)):
                model.zero_grad()
                call(x).backward(upstream)
            for ours, theirs in zip(twin.parameters(), plain.parameters(), strict=True):
                torch.testing.assert_close(ours.grad, theirs.grad)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(twin.state_dict()[name], value)


def test_a_linear_layer_is_standardized_and_scaled_too() -> None:
    linear = BinaryLinear(
        9, 5,
        input_pipeline=nn.Sequential(StandardizeActivation(), QuantizeActivation(), SignPolynomial()),
        weight_pipeline=nn.Sequential(StandardizeWeight(), QuantizeWeight(), SignIdentity()),
        output_scale=nn.Sequential(QuantizeGradient(), ChannelScale(5)),
    )  # fmt: skip
    x = draw(4, 9, seed=0).requires_grad_()
    y = linear(x)
    y.backward(draw(4, 5, seed=1))
    assert y.shape == (4, 5)
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in linear.parameters())
    alpha = linear.get_parameter("output_scale.1.alpha").detach()
    sums = (y.detach() / alpha).numpy()
    np.testing.assert_allclose(sums, np.rint(sums), atol=1e-5)


@pytest.mark.parametrize("transform", [StandardizeWeight(), StandardizeActivation()])
@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 1, 1, 1)])
def test_one_number_has_no_variance(transform: nn.Module, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="a variance takes two numbers or more"):
        transform(torch.ones(shape))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: QuantizeWeight(0), "a grid has 1 to 16 bits, an integer; got 0"),
        (lambda: QuantizeActivation(17), "got 17"),
        (lambda: QuantizeGradient(8).set_bits(2.5), "got 2.5"),
        (lambda: QuantizeGradient(seed=-1), "seed is an integer"),
        (lambda: QuantizeWeight(2, eval_bits="now"), "eval_bits is None .plain sign. or 'published'"),
        (lambda: QuantizeActivation(2, eval_bits=2), "got 2"),
    ],
)
def test_settings_out_of_range_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call()


def philox_halves(counter: int, key: int) -> list[int]:
    """The eight halves, low then high, of the four words that Philox4x32 gives in seven rounds."""
    c, k = [counter % 2**32, counter >> 32, 0, 0], [key % 2**32, key >> 32]
    for _ in range(7):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b % 2**32, a >> 32 ^ c[3] ^ k[1], a % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return [half for word in c for half in (word & 0xFFFF, word >> 16)]


@pytest.mark.parametrize("key", [0, 12345, 2**31 + 7, 2**40 + 1])
@pytest.mark.parametrize("size", [1, 63, 64, 65, 200])
def test_rounding_noise_is_philox(size: int, key: int) -> None:
    blocks = -(-size // 64)
    words = np.array([philox_halves(counter, key) for counter in range(8 * blocks)])  # [counter, 2 word + half]
    numbers = words.reshape(blocks, 8, 8).transpose(0, 2, 1).reshape(-1)[:size]
    noise = rounding_noise(torch.empty(size), torch.tensor(key))
    np.testing.assert_array_equal(noise, ((numbers - 32767.5) / 65536).astype(np.float32))


def test_the_words_of_philox_are_those_of_its_authors() -> None:
    assert philox_halves(0, 0)[:2] == [0xB709, 0x5F6F]  # their known answers: 5f6fb709 0d893f64 4f121f81 4f730a48
    assert philox_halves(0, 0)[6:] == [0x0A48, 0x4F73]


def test_rounding_noise_does_not_depend_on_the_threads_and_is_even() -> None:
    like, key = torch.empty(3, 333_333), torch.tensor(3)
    threads = torch.get_num_threads()
    noises = []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            noises.append(rounding_noise(like, key))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(noises[0], noises[1])
    assert torch.equal(noises[0], noises[2])
    counts = torch.histc(noises[0], bins=64, min=-0.5, max=0.5)
    expected = like.numel() / 64
    assert ((counts - expected) ** 2 / expected).sum() < 113  # chi-squared of 63, one in 10,000
    assert not torch.equal(noises[0], rounding_noise(like, key + 1))


@settings(derandomize=True, deadline=None, max_examples=30)
@given(bits_of_a_grid, seeds, st.sampled_from([(1,), (63,), (7, 9), (64, 1), (5, 13, 3), (2, 33_000)]), st.booleans())
def test_the_pass_over_memory_has_the_bits_of_the_formula(
    bits: int, seed: int, shape: tuple[int, ...], per_row: bool
) -> None:
    x = draw(*shape, seed=seed)
    rest = tuple(range(1, x.dim()))
    low, high = (x.amin(rest, True), x.amax(rest, True)) if per_row and rest else x.aminmax()
    noise = draw(*shape, seed=seed + 1)
    levels = torch.tensor(2.0**bits - 1)
    scale = ((high - low) / levels).clamp(min=1e-8)
    for offset in (None, noise):
        place = (x - low) / scale + (0 if offset is None else offset)
        expected = place.clamp(torch.tensor(0.0), levels).round() * scale + low
        assert torch.equal(on_grid(x, torch.tensor(bits), low, high, offset), expected)


def test_what_is_not_a_number_stays_so_on_a_grid() -> None:
    x = torch.tensor([0.0, float("nan"), 1.0])
    y = on_grid(x, torch.tensor(2), torch.tensor(0.0), torch.tensor(1.0), torch.zeros(3))
    assert y.isnan().tolist() == [False, True, False]
