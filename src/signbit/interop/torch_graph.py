"""A ``.sbn`` graph as a torch module: the network that PyTorch itself would run, operation by operation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signbit.alphabet import Alphabet
from signbit.format import Bits, Blob, Graph, Node

Constants = dict[str, Tensor]
Operation = Callable[[Node, Constants, list[Tensor]], Tensor]


class TorchGraph(nn.Module):
    """Runs a graph with float tensors ``[N, C, H, W]``; bits are floats that hold values of their alphabet.

    Parameters
    ----------
    graph : what to run.

    Returns (forward)
    -----------------
    Tensor : ``[N, C]`` if the output is 1 x 1, else ``[N, C, H, W]``.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.constants = [
            {slot: _tensor(node, slot, blob) for slot, blob in node.blobs.items()} for node in graph.nodes
        ]
        self.lows = [_low(graph.values[node.output].alphabet) for node in graph.nodes]

    def forward(self, x: Tensor) -> Tensor:
        values: dict[int, Tensor] = {self.graph.input: x}
        for node, constants, low in zip(self.graph.nodes, self.constants, self.lows, strict=True):
            y = OPERATIONS[node.op](node, constants, [values[i] for i in node.inputs])
            values[node.output] = y if node.op != "threshold" or low == 0 else 2 * y - 1
        out = values[self.graph.output]
        return out.flatten(1) if out.shape[2:] == (1, 1) else out


def _low(alphabet: Alphabet | None) -> int:
    return 0 if alphabet is None else alphabet.low


def _tensor(node: Node, slot: str, blob: Blob) -> Tensor:
    """A blob as torch lays it out: convolution weights O, C, kh, kw; per-channel vectors 1, C, 1, 1."""
    if isinstance(blob, Bits):
        array = torch.from_numpy(blob.unpack().astype("float32"))
        tensor = array if slot == "rising" else 2 * array - 1
    else:
        tensor = torch.from_numpy(blob.astype("float32"))
    if slot == "weight":
        return tensor.permute(0, 3, 1, 2).contiguous()
    return tensor if node.op == "conv2d" else tensor.view(1, -1, 1, 1)


def _pads(node: Node) -> tuple[int, int, int, int]:
    a = node.attributes
    return a["pad_left"], a["pad_right"], a["pad_top"], a["pad_bottom"]


def _pair(node: Node, name: str) -> tuple[int, int]:
    return node.attributes[f"{name}_h"], node.attributes[f"{name}_w"]


def _conv(node: Node, constants: Constants, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    left, right, top, bottom = _pads(node)
    pad_value = float(node.attributes.get("pad_value", 0))
    padding = (top, left)
    if pad_value != 0 or (left, top) != (right, bottom):
        x, padding = F.pad(x, (left, right, top, bottom), value=pad_value), (0, 0)
    stride, dilation = _pair(node, "stride"), _pair(node, "dilation")
    groups = node.attributes["groups"]
    return F.conv2d(x, constants["weight"], constants.get("bias"), stride, padding, dilation, groups)


def _threshold(_node: Node, constants: Constants, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    t, rising = constants["thresholds"], constants["rising"]
    return torch.where(rising > 0, x >= t, x <= t).to(x.dtype)


def _max_pool(node: Node, _constants: Constants, inputs: list[Tensor]) -> Tensor:
    x = F.pad(inputs[0], _pads(node), value=-torch.inf) if any(_pads(node)) else inputs[0]
    return F.max_pool2d(x, _pair(node, "kernel"), _pair(node, "stride"))


def _avg_pool(node: Node, _constants: Constants, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    left, right, top, bottom = _pads(node)
    kernel, stride = _pair(node, "kernel"), _pair(node, "stride")
    if (left, top) == (right, bottom):
        inside = bool(node.attributes["count_include_pad"])
        return F.avg_pool2d(x, kernel, stride, (top, left), count_include_pad=inside)
    mean = F.avg_pool2d(F.pad(x, _pads(node)), kernel, stride)
    if node.attributes["count_include_pad"]:
        return mean
    return mean / F.avg_pool2d(F.pad(torch.ones_like(x), _pads(node)), kernel, stride)


def _layer_norm(node: Node, constants: Constants, inputs: list[Tensor]) -> Tensor:
    scale, shift = (constants[name].flatten() for name in ("scale", "shift"))
    channels_last = inputs[0].permute(0, 2, 3, 1)
    return F.layer_norm(channels_last, scale.shape, scale, shift, node.scalars["eps"]).permute(0, 3, 1, 2)


def _flatten(_node: Node, _constants: Constants, inputs: list[Tensor]) -> Tensor:
    return inputs[0].permute(0, 2, 3, 1).reshape(inputs[0].shape[0], -1, 1, 1)


OPERATIONS: dict[str, Operation] = {
    "conv2d": _conv,
    "binary_conv2d": _conv,
    "affine": lambda _node, c, x: torch.addcmul(c["shift"], x[0], c["scale"]),
    "threshold": _threshold,
    "max_pool2d": _max_pool,
    "avg_pool2d": _avg_pool,
    "add": lambda _node, _c, x: x[0] + x[1],
    "clamp": lambda node, _c, x: x[0].clamp(node.scalars["low"], node.scalars["high"]),
    "prelu": lambda _node, c, x: F.prelu(x[0], c["slope"].flatten()),
    "flatten": _flatten,
    "subsample": lambda node, _c, x: x[0][:, :, :: node.attributes["stride_h"], :: node.attributes["stride_w"]],
    "pad_channels": lambda node, _c, x: F.pad(x[0], (0, 0, 0, 0, node.attributes["before"], node.attributes["after"])),
    "sigmoid": lambda _node, _c, x: torch.sigmoid(x[0]),
    "layer_norm": _layer_norm,
    "mul": lambda _node, _c, x: x[0] * x[1],
}
