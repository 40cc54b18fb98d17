"""What a training iteration costs, counted the way a method's authors count it.

CycleBNN's figures, reproduced from its paper and its released code. Both compare products of operands of few bits with
products of 32-bit floats, bit for bit: a forward product takes ``b * b``, each of the two backward products ``b * g``
bit operations, with ``b`` bits of the operands' grid and ``g`` bits of the gradient's. They are counts on paper: the
operands themselves are always -1 or +1, and the released code computes in float32.

Reference: Fontana, Lanzino, Diko, Foresti, Cinque, "CycleBNN", 2024.
"""

from __future__ import annotations

FLOAT_PRODUCT = 32 * 32


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
