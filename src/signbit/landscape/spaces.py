"""How far one can go from trained weights, and along what."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

import torch
from torch import Tensor, nn

from signbit.binarizers import sign
from signbit.errors import ConfigError
from signbit.layers import BinaryLayer
from signbit.registry import Registry
from signbit.roles import Role, parameter_roles

Point = Sequence[float]
"""Coordinates, one for each direction."""


class Space(ABC):
    """Directions away from the weights of one network; the network itself is never changed.

    Attributes
    ----------
    LABEL : of an axis.
    EXTENT : how far to go unless somebody says otherwise.
    """

    LABEL: str
    EXTENT: float

    @staticmethod
    @abstractmethod
    def coordinates(points: int, extent: float) -> list[float]:
        """Where to look along one direction; 0, the trained network, is among them."""

    @abstractmethod
    def at(self, point: Point) -> AbstractContextManager[Mapping[str, Tensor]]:
        """A context in which the network is at ``point``; gives the parameters that forward is to use instead."""


SPACES: Registry[Callable[[nn.Module, int, int], Space]] = Registry("space")
"""(network, number of directions, seed) -> space."""


@SPACES.register("latent", "filter-normalised random directions in the weights that training moves",
                 "Li, Xu, Taylor, Studer, Goldstein, Visualizing the Loss Landscape of Neural Nets, 2018")  # fmt: skip
class LatentSpace(Space):
    """``theta + a d1 + b d2`` with random directions that are as long, filter by filter, as the weights.

    ``d_i <- d_i |theta_i| / |d_i|`` with theta_i the weights of output channel i and d_i a draw from N(0, 1). What has
    one number a channel (biases, norms, thresholds) stays. Latent weights move, and forward takes their signs as ever;
    stored -1/+1 weights move in the same way and their signs are taken: every point is a binary network.

    Parameters
    ----------
    network : the trained network.
    directions : 1 or 2.
    seed : of the directions, >= 0.
    """

    LABEL = "distance, in filter norms"
    EXTENT = 1.0

    def __init__(self, network: nn.Module, directions: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        roles = parameter_roles(network)
        moved = {n: p for n, p in network.named_parameters() if roles[n] is not Role.THRESHOLD and is_filters(p)}
        self._weights = {name: weight.detach() for name, weight in moved.items()}
        self._stored = {name for name in moved if roles[name] is Role.BINARY}
        self.directions = [
            {name: filter_normalized(weight, generator) for name, weight in self._weights.items()}
            for _ in range(directions)
        ]

    @staticmethod
    def coordinates(points: int, extent: float) -> list[float]:
        """``points``, an odd number, from ``-extent`` to ``extent``."""
        if points % 2 == 0:
            raise ConfigError(
                f"latent space has the trained network in the middle of an odd number of points; got {points}"
            )
        half = points // 2
        return [extent * step / half for step in range(-half, half + 1)] if half else [0.0]

    @contextmanager
    def at(self, point: Point) -> Iterator[Mapping[str, Tensor]]:
        """The weights at ``point``."""
        moved = {}
        for name, weight in self._weights.items():
            value = weight
            for distance, direction in zip(point, self.directions, strict=True):
                value = value + distance * direction[name]
            moved[name] = sign(value) if name in self._stored else value
        yield moved


@SPACES.register("flips", "a growing share of the bits of every binary layer, flipped in a random order")
class FlipSpace(Space):
    """The first ``round(a N)`` of the N bits of every binary layer flipped, in a random order of its own.

    What is flipped is what forward multiplies with: the result of the weight pipeline. A second direction takes its
    bits from the other end of the order, so that the two never undo each other.

    Parameters
    ----------
    network : the trained network; ConfigError if it has no binary layer.
    directions : 1 or 2.
    seed : of the orders, >= 0.
    """

    LABEL = "share of flipped bits"
    EXTENT = 0.2

    def __init__(self, network: nn.Module, directions: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._directions = directions
        self._layers = [module for module in network.modules() if isinstance(module, BinaryLayer)]
        if not self._layers:
            raise ConfigError("flip space needs binary layers; this network has none; look at it in latent space")
        self._orders = [torch.randperm(layer.weight.numel(), generator=generator) for layer in self._layers]

    @staticmethod
    def coordinates(points: int, extent: float) -> list[float]:
        """``points`` from 0 to ``extent``."""
        if not extent <= 0.5:
            raise ConfigError(f"at a share of 0.5 no bit tells anything any more; extent is at most that; got {extent}")
        return [extent * step / (points - 1) for step in range(points)] if points > 1 else [0.0]

    @contextmanager
    def at(self, point: Point) -> Iterator[Mapping[str, Tensor]]:
        """The bits flipped for as long as the context lasts; no parameter is replaced."""
        with ExitStack() as stack:
            for layer, order in zip(self._layers, self._orders, strict=True):
                stack.enter_context(_flipped(layer, self._factors(order, point)))
            yield {}

    def _factors(self, order: Tensor, point: Point) -> Tensor:
        """-1 for every bit that is flipped, +1 for the others."""
        factors = torch.ones(len(order))
        first, second = (round(share * len(order)) for share in (*point, 0.0)[:2])
        factors[order[:first]] = -1
        factors[order[len(order) - second :]] = -1
        return factors


@contextmanager
def _flipped(layer: BinaryLayer, factors: Tensor) -> Iterator[None]:
    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return output * factors.view_as(output)

    handle = layer.weight_pipeline.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def is_filters(parameter: Tensor) -> bool:
    """Whether a parameter has several numbers for every output channel."""
    return parameter.dim() >= 2 and parameter[0].numel() > 1


def filter_normalized(weight: Tensor, generator: torch.Generator) -> Tensor:
    """A random direction whose filters are as long as those of ``weight``; zero where a filter is."""
    direction = torch.randn(weight.shape, generator=generator)
    shape = (-1, *[1] * (weight.dim() - 1))
    wanted, found = (t.flatten(1).norm(dim=1).view(shape) for t in (weight, direction))
    normalized: Tensor = direction * (wanted / found)
    return normalized
