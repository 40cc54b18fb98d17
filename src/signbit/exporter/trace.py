"""Pass 1, trace: from a model to the sequence of operations that it performs, by ``torch.export``.

The batch is a symbol in the trace, so a network that works for one number of images alone is found out here. What
signbit lowers as a whole stands in the trace as one opaque operation: a binarizer, the product of a binary layer, a
channel layer norm. Everything else is followed down to torch's own operations.
"""

from __future__ import annotations

import inspect
import io
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from signbit.errors import ExportError
from signbit.exporter.source import untraceable, user_line
from signbit.exporter.whole import check_evaluation, kept_whole
from signbit.layers import BinaryLayer

TRACED_IMAGES = 2
"""torch.export takes an example of one for a network that is made for one."""


@dataclass(frozen=True, eq=False)
class Call:
    """One operation of the trace.

    Attributes
    ----------
    node : in torch's graph.
    op : torch's name for it, in place or not: ``"conv2d"``, ``"add"``; ``"opaque"`` for a module kept whole.
    where : path of the module of ``torch.nn`` or signbit that does nothing else; else of the module around it and the
        operation's own name.
    kind : the type of that module, or ``op``.
    in_place : whether it overwrites its first argument.
    shape : of the result without the batch; None where that is no batch of tensors.
    source : the user's file, line and code; empty where unknown.
    """

    node: fx.Node
    op: str
    where: str
    kind: str
    in_place: bool
    shape: tuple[int, ...] | None
    source: str


class LocatedError(ExportError):
    """An error that says where already."""


@contextmanager
def located(call: Call) -> Iterator[None]:
    """An error in the block says where in the network and in the user's source it happened."""
    try:
        yield
    except LocatedError:
        raise
    except ExportError as error:
        source = f" ({call.source})" if call.source else ""
        raise LocatedError(f"{call.where or call.kind}: {error}{source}") from error


@dataclass(frozen=True, eq=False)
class Trace:
    """What a network does.

    Attributes
    ----------
    calls : in the order of execution; what nobody reads is left out.
    input, output : nodes of the one image batch and of the result; ``output`` is None unless that is one tensor.
    constants : parameters, buffers and constants, by the node that stands for each.
    used : paths of the modules that hold any of them which is read.
    result_type : of what forward returns, for messages.
    """

    calls: tuple[Call, ...]
    input: fx.Node
    output: fx.Node | None
    constants: Mapping[fx.Node, Any]
    used: frozenset[str]
    result_type: str

    def lines(self) -> list[str]:
        """One line an operation: path, operation, what it reads, shape, place in the source."""
        rows = []
        for call in self.calls:
            reads = ", ".join(_argument(argument) for argument in call.node.args)
            shape = "" if call.shape is None else f" -> {_shape(call.shape)}"
            source = f"    # {call.source}" if call.source else ""
            rows.append(f"{call.node.name} = {call.op}({reads}){shape}  [{call.where}]{source}")
        return rows


class _Network(nn.Module):
    """The model as a function of one tensor, whatever its signature."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        return self.model(images)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """``model`` in evaluation mode without gradients; every module gets its own mode back at the end."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training


def trace(model: nn.Module, image_shape: Sequence[int]) -> Trace:
    """The operations of ``model.forward`` in evaluation mode.

    Parameters
    ----------
    model : a module whose control flow does not depend on the values of tensors; shapes may steer it.
    image_shape : channels, height, width of an image.

    Errors
    ------
    ExportError : names the innermost module whose forward cannot be followed, or a state that serves training alone.
    """
    names = {module: name for name, module in model.named_modules()}
    for module, name in names.items():
        if isinstance(module, BinaryLayer):
            check_evaluation(module, name)
    needed = [p for p in inspect.signature(model.forward).parameters.values() if p.default is p.empty]
    if len([p for p in needed if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]) > 1:
        raise ExportError(f"{needed[1].name}: the network takes a second input; only one can be exported")
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    example = torch.zeros(TRACED_IMAGES, *image_shape, device=device)
    with evaluating(model), kept_whole(names), _quiet():
        try:
            program = torch.export.export(
                _Network(model), (example,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},), strict=False
            )
        except ExportError:
            raise
        except Exception as error:
            raise untraceable(error, model, names) from error
    return _read(program, {name: module for module, name in names.items()})


@contextmanager
def _quiet() -> Iterator[None]:
    """Torch prints what it could not follow at length; the error says it in a line."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _read(program: torch.export.ExportedProgram, modules: Mapping[str, nn.Module]) -> Trace:
    graph, tensors = program.graph, {**program.state_dict, **program.constants}
    held = {spec.arg.name: spec.target for spec in program.graph_signature.input_specs if spec.target is not None}
    for node in reversed(graph.nodes):
        if not node.users and node.op == "call_function" and not _name(node).endswith("_"):  # computed for nobody
            graph.erase_node(node)
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    (images,) = (node for node in placeholders if node.name not in held)
    constants: dict[fx.Node, Any] = {n: tensors[held[n.name]].detach() for n in placeholders if n.name in held}
    used = frozenset(_inside(held[node.name].rpartition(".")[0]) for node in constants if node.users)
    for node in graph.nodes:  # parts of a graph that torch keeps apart, such as what runs under autocast
        if node.op == "get_attr":
            constants[node] = getattr(program.graph_module, str(node.target))
    results = graph.output_node().args[0]
    single = program.call_spec.out_spec.is_leaf() and isinstance(results[-1], fx.Node)
    result_type = "one tensor" if single else getattr(program.call_spec.out_spec.type, "__name__", "no tensor")
    batch, seen = str(images.meta["val"].shape[0]), Counter[str]()
    calls = tuple(_call(node, modules, batch, seen) for node in graph.nodes if node.op == "call_function")
    return Trace(calls, images, results[-1] if single else None, constants, used, result_type)


def _call(node: fx.Node, modules: Mapping[str, nn.Module], batch: str, seen: Counter[str]) -> Call:
    stack = list(node.meta.get("nn_module_stack", {}).values())
    path = re.sub(r"@\d+", "", stack[-1][0]) if stack else ""
    path = _inside(path)
    module, name = modules.get(path), _name(node)
    op = name.rstrip("_")
    whole = module is not None and (type(module).__module__.startswith("torch.nn") or op == "opaque")
    if op == "opaque":
        path = str(node.args[1])
        module = modules[path]
    where = path
    if not whole:
        where = f"{path}.{op}" if path else op
        seen[where] += 1
        where += f"_{seen[where] - 1}" if seen[where] > 1 else ""
    value = node.meta.get("val")
    return Call(
        node,
        op,
        where,
        type(module).__name__ if whole else op,
        name.endswith("_") and not name.startswith("_"),
        _image_shape(value, batch) if isinstance(value, Tensor) else None,
        user_line(node.meta.get("stack_trace")),
    )


def _inside(path: str) -> str:
    """The path of a module from the model on; empty for the model itself."""
    return path.removeprefix("model").removeprefix(".") if path.startswith("model") else ""


def _image_shape(value: Tensor, batch: str) -> tuple[int, ...] | None:
    """Of every image of the batch; None where the first dimension is not the batch."""
    if (
        value.dim() < 1
        or str(value.shape[0]) != batch
        or not all(isinstance(extent, int) for extent in value.shape[1:])
    ):
        return None
    return tuple(value.shape[1:])


def _name(node: fx.Node) -> str:
    packet = getattr(node.target, "overloadpacket", node.target)
    return str(getattr(packet, "__name__", packet))


def _argument(argument: Any) -> str:
    if isinstance(argument, list | tuple):
        return "[" + ", ".join(map(_argument, argument)) + "]"
    return str(argument)


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, ("N", *shape)))
