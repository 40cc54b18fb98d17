"""threshold -> binary_conv2d is exact: every tier, every number of threads, against integers added one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from native_graphs import THREADS, Floats, as_floats, binarize, programs, random_images, slow_convolution

from signbit.alphabet import Alphabet
from signbit.format import Bits, Graph, GraphBuilder

CHANNELS = (1, 2, 7, 8, 16, 31, 32, 33, 63, 64, 65, 96, 127, 128, 129, 130)
"""Both sides of every word boundary."""
ALPHABETS_AND_PADS = ((1, 0), (1, -1), (1, 1), (2, 0), (2, 1))


@dataclass(frozen=True)
class Case:
    alphabet: Alphabet
    pad_value: int
    images: int
    height: int
    width: int
    channels: int
    filters: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


def network(case: Case, seed: int) -> tuple[Graph, Floats, npt.NDArray[np.int64]]:
    """The layer between a threshold and a float output, images, and what it has to compute from them."""
    rng = np.random.default_rng(seed)
    ones = rng.integers(0, 2, (case.filters, *case.kernel, case.channels // case.groups))
    builder = GraphBuilder()
    bits = binarize(builder, builder.input((case.height, case.width, case.channels)), case.alphabet)
    attributes = {"groups": case.groups, "pad_value": case.pad_value}
    for axis, stride, dilation in zip("hw", case.stride, case.dilation, strict=True):
        attributes |= {f"stride_{axis}": stride, f"dilation_{axis}": dilation}
    for side, pad in zip(("top", "left", "bottom", "right"), case.pads, strict=True):
        attributes[f"pad_{side}"] = pad
    sums = builder.node("binary_conv2d", bits, attributes=attributes, blobs={"weight": Bits.pack(ones)})
    graph = builder.graph(as_floats(builder, sums))

    x = random_images(rng, case.images, case.channels, case.height, case.width)
    a = np.where(x >= 0, 1, -1) if case.alphabet is Alphabet.PM1 else np.where(x > 0, 1, 0)
    weight = (2 * ones - 1).transpose(0, 3, 1, 2)
    return graph, x, slow_convolution(a, weight, case.stride, case.pads, case.dilation, case.groups, case.pad_value)


def check(case: Case, seed: int) -> None:
    graph, x, expected = network(case, seed)
    for program in programs(graph):
        np.testing.assert_array_equal(program.run(x), expected, err_msg=f"{case}, {program.isa}, {program.threads}")


def random_case(rng: np.random.Generator) -> Case:
    def pick(*options: int) -> int:
        return int(rng.choice(options))

    height, width = (pick(1, 2, 3, 5, 8, 13, 16, 17, 33) for _ in range(2))
    pads = tuple(pick(0, 0, 1, 2, 3) for _ in range(4))
    kernel, dilation = [], []
    for extent in (height + pads[0] + pads[2], width + pads[1] + pads[3]):
        kernel.append(min(pick(1, 2, 3, 3, 5), extent))
        dilation.append(pick(*(d for d in (1, 1, 2, 3) if d * (kernel[-1] - 1) + 1 <= extent)))
    channels = pick(*CHANNELS) if height * width < 500 else pick(1, 16, 63, 64, 65)
    groups = pick(*(g for g in (1, 1, 2, 3, channels) if channels % g == 0))
    filters = groups * pick(*(f for f in (1, 3, 7, 8, 9, 17, 40, 65) if groups * f <= max(130, groups)))
    alphabet = Alphabet(pick(1, 2))
    return Case(
        alphabet=alphabet,
        pad_value=pick(-1, 0, 0, 1) if alphabet is Alphabet.PM1 else pick(0, 1),
        images=pick(1, 2, 3),
        height=height,
        width=width,
        channels=channels,
        filters=filters,
        kernel=(kernel[0], kernel[1]),
        stride=(pick(1, 1, 2, 3), pick(1, 1, 2, 3)),
        pads=(pads[0], pads[1], pads[2], pads[3]),
        dilation=(dilation[0], dilation[1]),
        groups=groups,
    )


@pytest.mark.parametrize("seed", range(60))
def test_random_shapes(seed: int) -> None:
    check(random_case(np.random.default_rng([seed, 1])), seed)


def usual_case(channels: int, alphabet: int, pad_value: int) -> Case:
    """The usual 3 x 3 layer with a border of one."""
    return Case(Alphabet(alphabet), pad_value, 2, 4, 5, channels, 19, (3, 3), pads=(1, 1, 1, 1))


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize(("alphabet", "pad_value"), ALPHABETS_AND_PADS)
def test_word_boundaries(channels: int, alphabet: int, pad_value: int) -> None:
    check(usual_case(channels, alphabet, pad_value), channels)


@pytest.mark.parametrize("channels", [1, 63, 64, 65, 1000, 4097])
def test_linear_layers(channels: int) -> None:
    """One row of activations: threads share the filters instead."""
    check(Case(Alphabet.PM1, 0, 1, 1, 1, channels, 130, (1, 1)), channels)


@pytest.mark.parametrize("filters", [*range(23, 34), 47, 48, 49, 63, 64, 65, 127, 128, 129])
def test_linear_layers_of_all_widths(filters: int) -> None:
    """One row meets several panels of filters at once, of which the last may be missing or in part filled."""
    check(Case(Alphabet.PM1, 0, 1, 1, 1, 70, filters, (1, 1)), filters)


IMAGE_CASES = {
    "the image ends a block": Case(Alphabet.PM1, 0, 3, 7, 7, 64, 33, (3, 3), pads=(1, 1, 1, 1)),
    "many blocks": Case(Alphabet.PM1, 0, 1, 41, 20, 64, 16, (3, 3), pads=(1, 1, 1, 1)),
    "rows longer than a block": Case(Alphabet.PM1, -1, 2, 2, 301, 32, 17, (3, 3), pads=(1, 1, 1, 1)),
    "stride": Case(Alphabet.PM1, 1, 2, 23, 17, 65, 40, (3, 3), (2, 2), (1, 1, 1, 1)),
    "stride beyond the window": Case(Alphabet.ZERO_ONE, 0, 1, 19, 20, 130, 16, (1, 1), (2, 3)),
    "different strides": Case(Alphabet.ZERO_ONE, 1, 2, 12, 21, 40, 16, (2, 3), (1, 2), (0, 2, 1, 1)),
    "dilation": Case(Alphabet.PM1, 0, 2, 13, 12, 63, 31, (3, 3), (1, 1), (2, 3, 2, 3), (2, 3)),
    "groups": Case(Alphabet.PM1, 0, 2, 9, 8, 195, 60, (3, 3), pads=(1, 1, 1, 1), groups=3),
    "borders wider than the image": Case(Alphabet.ZERO_ONE, 1, 1, 2, 3, 33, 16, (2, 2), (1, 1), (6, 5, 7, 8)),
    "a window over the whole width": Case(Alphabet.PM1, 1, 1, 40, 30, 32, 16, (2, 30)),
    "a product of matrices": Case(Alphabet.PM1, 0, 2, 6, 6, 300, 100, (1, 1)),
}


@pytest.mark.parametrize("name", IMAGE_CASES)
def test_images_large_enough_for_a_matrix_unit(name: str) -> None:
    check(IMAGE_CASES[name], len(name))


def test_windows_wholly_in_the_padding() -> None:
    for seed, (alphabet, pad_value) in enumerate([(Alphabet.PM1, 0), (Alphabet.PM1, 1), (Alphabet.ZERO_ONE, 1)]):
        check(Case(alphabet, pad_value, 1, 2, 3, 5, 9, (2, 2), stride=(2, 1), pads=(6, 5, 4, 7), dilation=(1, 2)), seed)


def test_the_largest_sum_fits() -> None:
    """2^24 taps that all agree, the bound of the format, and all disagree."""
    side = 1 << 10
    builder = GraphBuilder()
    bits = binarize(builder, builder.input((side, side, 16)), Alphabet.PM1)
    ones = np.ones((2, side, side, 16))
    ones[1] = 0
    graph = builder.graph(as_floats(builder, builder.node("binary_conv2d", bits, blobs={"weight": Bits.pack(ones)})))
    x = np.ones((1, 16, side, side), np.float32)
    for program in list(programs(graph))[:: len(THREADS)]:
        assert program.run(x).ravel().tolist() == [2.0**24, -(2.0**24)]
