"""The flip rules of Bop and Bop2ndOrder, a whole update in one pass; users take the optimizers.

Flat, contiguous float32 tensors of one size on a CPU, updated in place; the flips are returned. Rates are rounded to
float32. ``threads`` : 1 or more.
"""

from torch import Tensor

def bop(w: Tensor, g: Tensor, m: Tensor, *, gamma: float, tau: float, threads: int = 1) -> int:
    """``m <- m + gamma (g - m)``; ``w <- -w`` where ``w m > tau``."""

def bop2nd(
    w: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    *,
    gamma: float,
    sigma: float,
    tau: float,
    eps: float,
    m_weight: float = 1.0,
    v_weight: float = 1.0,
    threads: int = 1,
) -> int:
    """m as above, ``v <- v + sigma (g g - v)``; flips by ``r = (m / m_weight) / (sqrt(v / v_weight) + eps)``."""
