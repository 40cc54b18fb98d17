"""From a model to the sequence of operations that it performs, with whole layers as single operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn

from signbit.binarizers import Binarizer
from signbit.errors import ExportError
from signbit.layers import BinaryLayer, ChannelLayerNorm, SubsamplePad

LEAVES = (BinaryLayer, ChannelLayerNorm, SubsamplePad, Binarizer)
"""Modules of signbit that are lowered as a whole; modules of ``torch.nn`` are too, all others are looked into."""


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


def trace(model: nn.Module, path: str = "") -> fx.Graph:
    """The operations of ``model.forward`` as an ``fx`` graph.

    Parameters
    ----------
    model : a module whose control flow does not depend on the values of tensors.
    path : where it stands in the whole network, for messages; empty for the network itself.

    Errors
    ------
    ExportError : names the innermost module whose forward cannot be followed.
    """
    tracer = _Tracer(path)
    try:
        graph = tracer.trace(model)
    except ExportError:
        raise
    except Exception as error:
        raise _untraceable(path or "the network", model, error) from error
    for node in reversed(graph.nodes):
        if not node.users and node.op not in ("placeholder", "output"):  # computed for nobody
            graph.erase_node(node)
    return graph


def _untraceable(path: str, module: nn.Module, error: Exception) -> ExportError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return ExportError(
        f"{path}: forward of {type(module).__name__} cannot be followed symbolically: {reason}; "
        "keep branches and loops independent of tensor values, and use module calls, + and torch.flatten"
    )


class _Tracer(fx.Tracer):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, LEAVES) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        try:
            return super().call_module(m, forward, args, kwargs)
        except ExportError:
            raise  # from a module further inside
        except Exception as error:
            inner = self.path_of_module(m)
            raise _untraceable(f"{self._path}.{inner}" if self._path else inner, m, error) from error
