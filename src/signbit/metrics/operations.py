"""What a training iteration costs, counted the way a method's authors count it.

CycleBNN's figures, reproduced from its paper and its released code. Both compare products of operands of few bits with
products of 32-bit floats, bit for bit: a forward product takes ``b * b``, each of the two backward products ``b * g``
bit operations, with ``b`` bits of the operands' grid and ``g`` bits of the gradient's. They are counts on paper: the
operands themselves are always -1 or +1, and the released code computes in float32.

:func:`training_operations` counts the same way, but with the operands that a network really has.

Reference: Fontana, Lanzino, Diko, Foresti, Cinque, "CycleBNN", 2024.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from signbit.metrics.layer_costs import LayerCost

FLOAT_PRODUCT = 32 * 32


@dataclass(frozen=True)
class TrainingOperations:
    """Bit operations of the products of one training step on one image; updates, norms and activations are not in it.

    Attributes
    ----------
    forward, weight_gradient, input_gradient : of the three products of every layer.
    float_twin : all three in float32 for the same layers.
    """

    forward: int
    weight_gradient: int
    input_gradient: int
    float_twin: int

    @property
    def total(self) -> int:
        """The three products together."""
        return self.forward + self.weight_gradient + self.input_gradient


def training_operations(costs: Iterable[LayerCost], gradient_bits: int = 32) -> TrainingOperations:
    """Bit operations of a step by the bits of the operands: a product of a b-bit and a c-bit number counts ``b c``.

    A layer of M multiply-accumulates with inputs of a bits, weights of b bits and gradients of g bits costs forward
    ``M a b``, for the weight gradient ``M g a``, for the input gradient ``M g b``. What is not computed costs nothing:
    the weight gradient of a frozen weight, the input gradient where nothing below is trained. What a method skips
    inside a layer and what its update rule costs depends on the run: ``signbit bench-train --count instructions``
    measures it. The float twin has a = b = g = 32.

    Parameters
    ----------
    costs : of :func:`~signbit.metrics.layer_costs`.
    gradient_bits : g of the layers with 1-bit weights, 1 .. 32; 8 where gradients are quantized as in CycleBNN. Layers
        with 32-bit weights have float32 gradients.

    >>> layer = LayerCost("", "", None, None, 1, (), 1, 1, 9, 0, 100, 0, True, True)
    >>> training_operations([layer], gradient_bits=8)
    TrainingOperations(forward=100, weight_gradient=800, input_gradient=800, float_twin=307200)
    """
    forward = weight_gradient = input_gradient = twin = 0
    for cost in costs:
        bits = gradient_bits if cost.weight_bits == 1 else 32
        forward += cost.macs * cost.input_bits * cost.weight_bits
        weight_gradient += cost.macs * bits * cost.input_bits * cost.takes_weight_gradient
        input_gradient += cost.macs * bits * cost.weight_bits * cost.passes_gradient
        twin += cost.macs * FLOAT_PRODUCT * (1 + cost.takes_weight_gradient + cost.passes_gradient)
    return TrainingOperations(forward, weight_gradient, input_gradient, twin)


def released_code_cost(bits: float, gradient_bits: float) -> float:
    """Cost of an iteration as a share of float32's three products: ``(b^2 + 2 b g) / (3 * 32 * 32)`` (released code).

    >>> f"{1 - sum(released_code_cost(b, 8) for b in (2, 3, 4, 5, 6)) / 5:.2%} saved"
    '97.33% saved'
    """
    return _bit_operations(bits, gradient_bits) / (3 * FLOAT_PRODUCT)


def published_cost(bits: float, gradient_bits: float) -> float:
    """Cost of an iteration by the formula that gives the paper's figure: ``(b^2 + 2 b g) / (2 * 32 * 32)``.

    The paper prints the figure alone, 96.09 % saved; this formula gives it at the middle of 2 to 6 bits.

    >>> f"{1 - published_cost(4, 8):.2%} saved"
    '96.09% saved'
    """
    return _bit_operations(bits, gradient_bits) / (2 * FLOAT_PRODUCT)


def _bit_operations(bits: float, gradient_bits: float) -> float:
    return bits * bits + 2 * bits * gradient_bits
