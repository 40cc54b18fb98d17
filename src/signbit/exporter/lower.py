"""From a traced network to a graph of the file: every operation is read as a symbol, layers with weights emit nodes."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor, fx, nn

from signbit.binarizers import Binarizer
from signbit.errors import ExportError
from signbit.exporter.dimensions import TOWARDS_IMAGES
from signbit.exporter.emit import Emitter
from signbit.exporter.functions import ADDITIONS, FUNCTIONS, METHODS, READ_REAL
from signbit.exporter.modules import PENDING_RULES, REAL_RULES, Rule, affine, array, norm_affine
from signbit.exporter.symbol import Order, Symbol
from signbit.exporter.trace import evaluating, trace
from signbit.exporter.weights import binary_layer, check_evaluation, check_layer, float_layer, folds
from signbit.format import Graph, RuleError
from signbit.layers import BinaryConv2d, BinaryLayer, BinaryLinear


@dataclass(frozen=True)
class Lowered:
    """A graph, and what became of every module's work (path -> fates in order)."""

    graph: Graph
    fates: Mapping[str, list[str]]


def lower(model: nn.Module, example_input: Tensor, metadata: Mapping[str, Any] | None = None) -> Lowered:
    """Lower ``model`` in evaluation mode.

    Parameters
    ----------
    model : made of signbit layers, ``torch.nn`` modules and the operations of :mod:`signbit.exporter.functions`.
    example_input : ``[N, C, H, W]`` floats; only the shape is used.
    metadata : what to store about the network; see docs/format.md.

    Errors
    ------
    ExportError : names the module or operation that has no counterpart in the file, and what to use instead.
    """
    if example_input.dim() != 4:
        raise ExportError(f"the example input is {list(example_input.shape)}; a batch of images [N, C, H, W] is needed")
    _, channels, height, width = example_input.shape
    with evaluating(model):
        emit = Emitter()
        x = Symbol(emit.builder.input((height, width, channels)), (height, width, channels))
        y = _Walk(model, "", emit).run(trace(model), x)
        if not isinstance(y, Symbol):
            raise ExportError(f"the network returns {type(y).__name__}; one tensor is needed: wrap it and return that")
        if y.order is not None:
            raise ExportError("the network ends in a flattened image; return the image itself")
        graph = emit.builder.graph(emit.real(y), metadata)
    return Lowered(graph, emit.fates)


class _Walk:
    """One pass over the operations of one module; pipelines of binary layers get a pass of their own."""

    def __init__(self, root: nn.Module, path: str, emit: Emitter) -> None:
        self._root, self._path, self._emit = root, path, emit
        self._known: dict[fx.Node, Any] = {}
        self._absorbed: set[fx.Node] = set()
        self._order: Order | None = None

    def run(self, graph: fx.Graph, x: Symbol) -> Any:
        self._order = x.order  # a part of a layer that makes as many channels puts them where they meet the input's
        inputs = 0
        for node in graph.nodes:
            if node.op == "placeholder":
                inputs += 1
                self._known[node] = x
                if inputs > 1:
                    raise ExportError(
                        f"{self._where(node)}: the network takes a second input; only one can be exported"
                    )
            elif node.op == "output":
                return self._arguments(node)[0][0]
            else:
                self._known[node] = self._step(node)
        raise AssertionError("a traced graph ends in its output")

    def _step(self, node: fx.Node) -> Any:
        where = self._where(node)
        try:
            result = self._call(node, where)
            if isinstance(result, Symbol) and result.alphabet is None and any(map(self._wants_real, node.users)):
                self._emit.real(result)  # before any threshold, which can then start from it
        except ExportError as error:
            if where in str(error):
                raise
            raise ExportError(f"{where}: {error}") from error
        except RuleError as error:
            raise ExportError(f"{where}: cannot be stored in a .sbn file: {error}") from error
        return result

    def _call(self, node: fx.Node, where: str) -> Any:
        args, kwargs = self._arguments(node)
        if any(isinstance(a, Symbol) and a.rank == 3 for a in args) and node.target not in TOWARDS_IMAGES:
            raise ExportError(f"{where}: reads [N, C, 1]; make it an image first: v[:, :, None, None]")
        if node.op == "get_attr":
            return operator.attrgetter(str(node.target))(self._root)
        if node.op == "call_module":
            module = self._root.get_submodule(str(node.target))
            if not any(isinstance(argument, Symbol) for argument in args):
                return module(*args, **kwargs)
            if len(args) != 1 or kwargs:
                raise ExportError(f"{where}: {type(module).__name__} is called with more than one tensor")
            return self._module(node, module, args[0], where)
        if not any(isinstance(argument, Symbol) for argument in (*args, *kwargs.values())):  # constants: compute them
            if node.op == "call_method":
                return getattr(args[0], str(node.target))(*args[1:], **kwargs)
            assert callable(node.target)
            return node.target(*args, **kwargs)
        table: Mapping[Any, Callable[..., Any]] = METHODS if node.op == "call_method" else FUNCTIONS
        if node.target not in table:
            name = getattr(node.target, "__name__", str(node.target))
            raise ExportError(
                f"{where}: operation {name!r} has no counterpart in the .sbn file; known: "
                f"{', '.join(sorted({getattr(key, '__name__', str(key)) for key in table}))}, and torch.nn modules"
            )
        return table[node.target](self._emit, where, *args, **kwargs)

    def _module(self, node: fx.Node, module: nn.Module, x: Symbol, where: str) -> Symbol:
        if node in self._absorbed:
            return x
        if isinstance(module, Binarizer):
            self._emit.note_fate(where, "bits: its gradient's settings serve training alone")
            return replace(x, alphabet=module.alphabet)
        if isinstance(module, BinaryLayer):
            return self._binary_layer(module, x, where)
        if isinstance(module, nn.Conv2d | nn.Linear):
            return self._float_layer(node, module, x, where)
        rule = _rule(PENDING_RULES, module) or _rule(REAL_RULES, module)
        if rule is None:
            known = [
                t.__name__ for t in (*PENDING_RULES, *REAL_RULES, nn.Conv2d, nn.Linear, BinaryConv2d, BinaryLinear)
            ]
            raise ExportError(
                f"{where}: {type(module).__name__} has no counterpart in the .sbn file; known: {', '.join(known)}"
            )
        if x.alphabet is not None and rule is not PENDING_RULES[nn.Identity]:
            raise ExportError(f"{where}: {type(module).__name__} reads a binarized tensor; put it before the binarizer")
        return rule(module, x, self._emit, where)

    def _binary_layer(self, layer: BinaryLayer, x: Symbol, where: str) -> Symbol:
        """Input pipeline, operation, scales; the parts of a linear layer see images of one pixel."""
        check_evaluation(layer, where)
        sent = self._inside(layer.input_pipeline, f"{where}.input_pipeline", replace(x, rank=4))
        sums = replace(binary_layer(layer, sent, self._emit, where), rank=4)
        result = self._inside(layer.output_scale, f"{where}.output_scale", sums)
        if layer.filter_scale is not None:
            path = f"{where}.filter_scale"
            factors = array(layer.filter_scale(layer.weight), path)
            result = affine(result, factors, np.zeros_like(factors), path)
        return replace(result, rank=2 if isinstance(layer, BinaryLinear) else 4)

    def _inside(self, module: nn.Module, path: str, x: Symbol) -> Symbol:
        """What ``module`` makes of ``x``: a part of a layer, followed operation by operation."""
        if type(module) is nn.Identity:
            return x
        outer, _, name = path.rpartition(".")
        holder = nn.Sequential(OrderedDict([(name, module)]))
        result = _Walk(holder, outer, self._emit).run(trace(holder, outer), x)
        if not isinstance(result, Symbol):
            raise ExportError(f"{path}: returns {type(result).__name__}, not one tensor")
        return result

    def _float_layer(self, node: fx.Node, layer: nn.Conv2d | nn.Linear, x: Symbol, where: str) -> Symbol:
        check_layer(layer, x, where)
        norm, why = None, "float: full-precision layer"
        if self._path:
            why = f"float: side path of {self._path}"
        elif x.base == 0 and not x.pending:
            why = "float: first layer, real-valued input"
        elif any(user.op == "output" for user in node.users):
            why = "float: last layer, real-valued output"
        if (follower := self._sole_norm(node)) is not None:
            path = self._where(follower)
            norm = norm_affine(self._root.get_submodule(str(follower.target)), path)  # type: ignore[arg-type]
            self._absorbed.add(follower)
            self._emit.note_fate(path, f"folded into the weights of {where}")
        return float_layer(layer, x, self._emit, where, norm=norm, why=why, order=self._order)

    def _sole_norm(self, node: fx.Node) -> fx.Node | None:
        users = list(node.users)
        if len(users) == 1 and users[0].op == "call_module":
            module = self._root.get_submodule(str(users[0].target))
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                return users[0]
        return None

    def _wants_real(self, user: fx.Node) -> bool:
        """Whether ``user`` certainly reads real numbers: where there is a choice, bits are then taken from those."""
        if user.op == "output":
            return not self._path  # the end of a part of a layer says nothing about who reads it
        if user.op != "call_module":
            if user.target in READ_REAL:
                return True
            tensors = [a for a in user.args if isinstance(a, fx.Node) and a.op != "get_attr"]
            return user.target in ADDITIONS and len(tensors) == len(user.args)
        module = self._root.get_submodule(str(user.target))
        if isinstance(module, BinaryLayer):
            return len(module.input_pipeline) == 0 or not folds(module.input_pipeline)
        if _rule(PENDING_RULES, module) is PENDING_RULES[nn.Identity]:
            return any(map(self._wants_real, user.users))
        return isinstance(module, nn.Conv2d | nn.Linear) or _rule(REAL_RULES, module) is not None

    def _arguments(self, node: fx.Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        def known(value: Any) -> Any:
            return fx.node.map_arg(value, self._known.__getitem__)

        return known(node.args), known(node.kwargs)

    def _where(self, node: fx.Node) -> str:
        if node.op == "call_module":
            inner = str(node.target)
        else:
            stack = list(node.meta.get("nn_module_stack", {}).values())
            inner = ".".join(part for part in (stack[-1][0] if stack else "", node.name) if part)
        return f"{self._path}.{inner}" if self._path else inner


def _rule(table: Mapping[type[nn.Module], Rule], module: nn.Module) -> Rule | None:
    return next((table[kind] for kind in type(module).__mro__ if kind in table), None)
