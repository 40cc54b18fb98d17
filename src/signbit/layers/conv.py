"""Binary 2-D convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from signbit.errors import ConfigError, ShapeError
from signbit.layers.partial_gradient import partial_conv2d
from signbit.layers.pipeline import BinaryLayer, Parts, final_binarizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

Pair = tuple[int, int]


class BinaryConv2d(BinaryLayer):
    """2-D convolution (cross-correlation) of a binarized input with binary weights.

    Forward: ``y = filter_scale(weight) * output_scale(conv2d(pad(input_pipeline(x)), weight_pipeline(weight)))``.
    Backward: the pipelines' surrogate gradients. There is no bias: a batch norm follows.

    Parameters
    ----------
    in_channels, out_channels : >= 1, multiples of ``groups``.
    kernel_size, stride, dilation : >= 1, one number or (height, width); stride and dilation 1 by default.
    padding : >= 0, both sides, one number or (height, width); 0 by default.
    groups : >= 1; 1 by default.
    pad_value : what a padded tap holds, put there after binarization. 0 by default (adds nothing); -1 or +1 with
        the alphabet {-1,+1}, 1 with {0,1}.
    parts : ``input_pipeline``, ``weight_pipeline``, ``output_scale``, ``filter_scale``, ``weight_role``, see
        :class:`~signbit.layers.pipeline.BinaryLayer`.

    Shape: ``[N, in_channels, H, W] -> [N, out_channels, H', W']`` as in ``torch.nn.Conv2d``.

    Errors: ConfigError for settings out of range; ShapeError for an input of another shape.

    >>> import torch
    >>> from signbit.binarizers import SignClip
    >>> pipelines = {side: nn.Sequential(SignClip()) for side in ("input_pipeline", "weight_pipeline")}
    >>> conv = BinaryConv2d(3, 8, 3, padding=1, **pipelines)
    >>> conv(torch.zeros(2, 3, 5, 5)).shape
    torch.Size([2, 8, 5, 5])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        *,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        pad_value: float = 0.0,
        **parts: Unpack[Parts],
    ) -> None:
        if groups < 1 or in_channels < 1 or out_channels < 1 or in_channels % groups or out_channels % groups:
            raise ConfigError(
                f"BinaryConv2d: channels are positive multiples of groups; got in_channels={in_channels}, "
                f"out_channels={out_channels}, groups={groups}"
            )
        kernel = _pair("kernel_size", kernel_size, 1)
        super().__init__((out_channels, in_channels // groups, *kernel), **parts)
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = kernel
        self.stride = _pair("stride", stride, 1)
        self.padding = _pair("padding", padding, 0)
        self.dilation = _pair("dilation", dilation, 1)
        self.pad_value = _checked_pad_value(pad_value, self.input_pipeline)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``x``."""
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise ShapeError(f"BinaryConv2d takes [N, {self.in_channels}, H, W]; got {list(x.shape)}")
        return self.scaled(self.product(self.input_pipeline(x)))

    def product(self, x: Tensor) -> Tensor:
        """The convolution of the binarized ``x``, not yet scaled."""
        padding = self.padding
        if self.pad_value != 0 and padding != (0, 0):
            x = F.pad(x, (padding[1], padding[1], padding[0], padding[0]), value=self.pad_value)
            padding = (0, 0)
        weight = self.binary_weight()
        if self.active_filters is None or self.groups > 1:
            return F.conv2d(x, weight, None, self.stride, padding, self.dilation, self.groups)
        return partial_conv2d(x, weight, self.active_filters, self.stride, padding, self.dilation)

    def extra_repr(self) -> str:
        """The settings, for ``print(model)``."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, dilation={self.dilation}, groups={self.groups}, pad_value={self.pad_value:g}, "
            f"weight={self.parameter_roles['weight'].value}"
        )


def _pair(name: str, value: int | Pair, least: int) -> Pair:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(v, int) and v >= least for v in pair):
        raise ConfigError(f"BinaryConv2d: {name} is one integer >= {least} or a pair of them; got {value!r}")
    return pair[0], pair[1]


def _checked_pad_value(pad_value: float, input_pipeline: nn.Sequential) -> float:
    binarizer = final_binarizer(input_pipeline, "input_pipeline")
    allowed = [0] if binarizer is None else sorted({0, binarizer.alphabet.low, binarizer.alphabet.high})
    if pad_value not in allowed:
        kind = "a real input" if binarizer is None else f"alphabet {binarizer.alphabet.name}"
        raise ConfigError(f"BinaryConv2d: pad_value for {kind} is one of {allowed}; got {pad_value}")
    return float(pad_value)
