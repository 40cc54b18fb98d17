"""The shortcut that has no parameters."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from signbit.errors import ConfigError


class SubsamplePad(nn.Module):
    """Keeps every ``stride``-th row and column and adds channels of zeros ("option A" of residual networks).

    Forward: ``y[n, before + c, h, w] = x[n, c, stride * h, stride * w]``, zero in the added channels.

    Parameters
    ----------
    stride : >= 1.
    before, after : channels of zeros put in front and behind, >= 0.

    Shape: ``[N, C, H, W] -> [N, before + C + after, ceil(H / stride), ceil(W / stride)]``.

    Reference: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2016.
    """

    def __init__(self, stride: int, before: int, after: int) -> None:
        super().__init__()
        if stride < 1 or before < 0 or after < 0:
            raise ConfigError(f"SubsamplePad: stride >= 1, before and after >= 0; got {stride}, {before}, {after}")
        self.stride, self.before, self.after = stride, before, after

    def forward(self, x: Tensor) -> Tensor:
        """Subsample ``x`` and pad its channels."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))

    def extra_repr(self) -> str:
        """The settings, for ``print(model)``."""
        return f"stride={self.stride}, before={self.before}, after={self.after}"
