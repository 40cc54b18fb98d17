"""Binary linear layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signbit.errors import ConfigError, ShapeError
from signbit.layers.partial_gradient import partial_linear
from signbit.layers.pipeline import check_weight, final_binarizer, initialize_weight
from signbit.roles import Role


class BinaryLinear(nn.Module):
    """Matrix product of a binarized input with binary weights.

    Forward: ``y = filter_scale(weight) * output_scale(input_pipeline(x) @ weight_pipeline(weight).T)``.
    Backward: the pipelines' surrogate gradients. There is no bias: a batch norm follows.

    Parameters
    ----------
    in_features, out_features : >= 1.
    input_pipeline, weight_pipeline, output_scale, filter_scale, weight_role : as in
        :class:`~signbit.layers.conv.BinaryConv2d`.

    Shape: ``[N, in_features] -> [N, out_features]``. The input pipeline and the output scale see images of one pixel,
    ``[N, features, 1, 1]``: what is made for a convolution works here unchanged.

    Errors: ConfigError for settings out of range; ShapeError for an input of another shape.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        input_pipeline: nn.Sequential | None = None,
        weight_pipeline: nn.Sequential | None = None,
        output_scale: nn.Module | None = None,
        filter_scale: nn.Module | None = None,
        weight_role: Role = Role.LATENT,
    ) -> None:
        super().__init__()
        if in_features < 1 or out_features < 1:
            raise ConfigError(f"BinaryLinear: features are >= 1; got {in_features} in, {out_features} out")
        self.in_features, self.out_features = in_features, out_features
        self.input_pipeline = nn.Sequential() if input_pipeline is None else input_pipeline
        self.weight_pipeline = nn.Sequential() if weight_pipeline is None else weight_pipeline
        self.output_scale = nn.Identity() if output_scale is None else output_scale
        self.filter_scale = filter_scale
        self.active_filters: Tensor | None = None
        """As in :class:`~signbit.layers.conv.BinaryConv2d`."""
        final_binarizer(self.input_pipeline, "input_pipeline")
        check_weight(self.weight_pipeline, weight_role)
        self.parameter_roles = {"weight": weight_role}
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        initialize_weight(self.weight, weight_role)

    def binary_weight(self) -> Tensor:
        """The -1/+1 weight that forward uses, ``[out_features, in_features]``."""
        weight: Tensor = self.weight_pipeline(self.weight)
        return weight

    def forward(self, x: Tensor) -> Tensor:
        """Multiply ``x``."""
        if x.dim() != 2 or x.shape[1] != self.in_features:
            raise ShapeError(f"BinaryLinear takes [N, {self.in_features}]; got {list(x.shape)}")
        x = self.input_pipeline(x[:, :, None, None]).flatten(1)
        weight = self.binary_weight()
        y = F.linear(x, weight) if self.active_filters is None else partial_linear(x, weight, self.active_filters)
        scaled: Tensor = self.output_scale(y[:, :, None, None]).flatten(1)
        return scaled if self.filter_scale is None else scaled * self.filter_scale(self.weight)

    def extra_repr(self) -> str:
        """The settings, for ``print(model)``."""
        return f"{self.in_features}, {self.out_features}, weight={self.parameter_roles['weight'].value}"
