"""Binary linear layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn import functional as F

from signbit.errors import ConfigError, ShapeError
from signbit.layers.partial_gradient import partial_linear
from signbit.layers.pipeline import BinaryLayer, Parts

if TYPE_CHECKING:
    from typing_extensions import Unpack


class BinaryLinear(BinaryLayer):
    """Matrix product of a binarized input with binary weights.

    Forward: ``y = filter_scale(weight) * output_scale(input_pipeline(x) @ weight_pipeline(weight).T)``.
    Backward: the pipelines' surrogate gradients. There is no bias: a batch norm follows.

    Parameters
    ----------
    in_features, out_features : >= 1.
    parts : as in :class:`~signbit.layers.conv.BinaryConv2d`.

    Shape: ``[N, in_features] -> [N, out_features]``. The input pipeline and the output scale see images of one pixel,
    ``[N, features, 1, 1]``: what is made for a convolution works here unchanged.

    Errors: ConfigError for settings out of range; ShapeError for an input of another shape.
    """

    def __init__(self, in_features: int, out_features: int, **parts: Unpack[Parts]) -> None:
        if in_features < 1 or out_features < 1:
            raise ConfigError(f"BinaryLinear: features are >= 1; got {in_features} in, {out_features} out")
        super().__init__((out_features, in_features), **parts)
        self.in_features, self.out_features = in_features, out_features

    def forward(self, x: Tensor) -> Tensor:
        """Multiply ``x``."""
        if x.dim() != 2 or x.shape[1] != self.in_features:
            raise ShapeError(f"BinaryLinear takes [N, {self.in_features}]; got {list(x.shape)}")
        y = self.product(self.input_pipeline(x[:, :, None, None]).flatten(1))
        return self.scaled(y[:, :, None, None]).flatten(1)

    def product(self, x: Tensor) -> Tensor:
        """The matrix product of the binarized ``x``, not yet scaled."""
        weight = self.binary_weight()
        if self.active_filters is None:
            return F.linear(x, weight)
        return partial_linear(x, weight, self.active_filters)

    def extra_repr(self) -> str:
        """The settings, for ``print(model)``."""
        return f"{self.in_features}, {self.out_features}, weight={self.parameter_roles['weight'].value}"
