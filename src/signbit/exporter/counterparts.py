"""Which of torch's operations have a counterpart in the file, and what to use in place of some that have none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from signbit.exporter import elementwise, products, repeats, reshapes, windows
from signbit.exporter.trace import Call

COUNTERPARTS: Mapping[str, Callable[..., Any]] = {
    "opaque": products.whole_module,
    "conv2d": products.convolution,
    "linear": products.linear,
    "batch_norm": elementwise.batch_norm,
    "layer_norm": elementwise.layer_norm,
    "add": elementwise.add,
    "sub": elementwise.subtract,
    "rsub": elementwise.subtract_from,
    "mul": elementwise.multiply,
    "div": elementwise.divide,
    "reciprocal": elementwise.reciprocal,
    "neg": elementwise.negate,
    "relu": elementwise.relu,
    "relu6": elementwise.relu6,
    "hardtanh": elementwise.hardtanh,
    "clamp": elementwise.clamp,
    "clip": elementwise.clamp,
    "clamp_min": elementwise.clamp,
    "prelu": elementwise.prelu,
    "leaky_relu": elementwise.leaky_relu,
    "sigmoid": elementwise.sigmoid,
    "hardsigmoid": elementwise.hardsigmoid,
    "silu": elementwise.silu,
    "hardswish": elementwise.hardswish,
    "dropout": elementwise.dropout,
    "feature_dropout": elementwise.dropout,
    "alpha_dropout": elementwise.dropout,
    "contiguous": elementwise.same,
    "clone": elementwise.same,
    "detach": elementwise.same,
    "alias": elementwise.same,
    "to": elementwise.same,
    "type_as": elementwise.same,
    "_to_copy": elementwise.same,
    "max_pool2d": windows.max_pool,
    "avg_pool2d": windows.avg_pool,
    "adaptive_avg_pool2d": windows.adaptive_avg_pool,
    "mean": windows.mean,
    "expand": repeats.expand,
    "expand_as": repeats.expand,
    "repeat": repeats.expand,
    "pad": windows.pad,
    "constant_pad_nd": windows.pad,
    "cat": windows.concatenate,
    "concat": windows.concatenate,
    "slice": windows.part_of,
    "chunk": windows.chunks,
    "split": windows.split,
    "split_with_sizes": windows.split,
    "getitem": reshapes.item,
    "flatten": reshapes.reshape,
    "view": reshapes.reshape,
    "reshape": reshapes.reshape,
    "unsqueeze": reshapes.reshape,
    "squeeze": reshapes.reshape,
    "sym_size": reshapes.size,
}
"""torch's name of an operation, in place or not -> how it is folded; what reads constants alone is computed."""

BITS_PASS = frozenset(
    {"opaque", "conv2d", "linear", "dropout", "feature_dropout", "contiguous", "clone", "detach", "alias", "max_pool2d",
     "flatten", "view", "reshape", "unsqueeze", "squeeze", "sym_size", "getitem"}
)  # fmt: skip
"""What may read a binarized tensor: where numbers are needed after all, the record says so."""

INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(
        ("gelu", "elu", "selu", "celu", "mish", "softplus", "tanh", "softsign"),
        "use ReLU, PReLU, LeakyReLU, Hardtanh or Sigmoid",
    ),
    **dict.fromkeys(("softmax", "log_softmax"), "return the logits: softmax keeps their order"),
    **dict.fromkeys(("group_norm", "instance_norm"), "use BatchNorm2d or ChannelLayerNorm"),
    **dict.fromkeys(("conv1d", "conv3d", "conv_transpose2d"), "use Conv2d or BinaryConv2d"),
    **dict.fromkeys(("matmul", "mm", "bmm", "addmm", "einsum"), "use Linear or a 1 x 1 Conv2d with constant weights"),
    **dict.fromkeys(("transpose", "permute", "movedim", "pixel_shuffle"), "keep the dimensions as [N, C, H, W]"),
    **dict.fromkeys(("select", "index", "index_select", "gather"), "pick channels by a slice: x[:, 1:3]"),
    **dict.fromkeys(("upsample_nearest2d", "upsample_bilinear2d", "interpolate"), "keep the resolution, or pool"),
    **dict.fromkeys(("max_pool2d_with_indices",), "return the values alone"),
    **dict.fromkeys(("adaptive_max_pool2d", "amax", "max"), "use MaxPool2d with a kernel of the image's size"),
    **dict.fromkeys(("stack",), "use torch.cat(parts, 1)"),
    **dict.fromkeys(("zeros_like", "ones_like", "full_like"), "write the number itself: x + 1"),
    **dict.fromkeys(("wrap_with_autocast",), "export without autocast: the file computes in float32"),
    **dict.fromkeys(("sum",), "use x.mean((2, 3)) and scale it"),
    **dict.fromkeys(("sign", "where", "gt", "ge", "lt", "le"), "use a Binarizer of signbit.binarizers"),
    **dict.fromkeys(("pow", "square"), "write x * x"),
    **dict.fromkeys(("sqrt", "exp", "log", "abs"), "use BatchNorm2d, PReLU or Sigmoid"),
}
"""Advice for what people try."""


def refusal(call: Call) -> str:
    """Why an operation cannot be exported, and what to do."""
    what = f"operation {call.op!r}" if call.kind == call.op else call.kind
    advice = f"{INSTEAD[call.op]}; " if call.op in INSTEAD else ""
    names = {rule: name for name, rule in reversed(list(COUNTERPARTS.items()))}  # one of those that mean the same
    known = sorted(set(names.values()) - {"opaque", "sym_size", "getitem", "reciprocal", "contiguous"})
    return f"{what} has no counterpart in the .sbn file; {advice}known: BinaryConv2d, BinaryLinear, {', '.join(known)}"
