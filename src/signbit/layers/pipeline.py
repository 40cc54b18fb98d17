"""What binary layers have in common: their parts, the rules that pipelines keep, and the first value of a weight."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypedDict

import torch
from torch import Tensor, nn

from signbit.alphabet import Alphabet
from signbit.binarizers import Binarizer, sign
from signbit.errors import ConfigError
from signbit.roles import Role


class Parts(TypedDict, total=False):
    """The parts of a binary layer besides its operation; see :class:`BinaryLayer`."""

    input_pipeline: nn.Sequential | None
    weight_pipeline: nn.Sequential | None
    output_scale: nn.Module | None
    filter_scale: nn.Module | None
    weight_role: Role


class BinaryLayer(nn.Module, ABC):
    """Base of the binary layers: ``y = filter_scale(weight) * output_scale(op(input_pipeline(x), binary_weight()))``.

    Parameters
    ----------
    shape : of the weight, output channels first.
    input_pipeline : modules ending in a Binarizer; None or empty for a real input with binary weights.
    weight_pipeline : modules ending in a {-1,+1} Binarizer; None or empty when the stored weight is already -1/+1.
    output_scale : module applied to the result; None for none.
    filter_scale : module from the stored weight to one factor for each filter, ``[out_channels]``; None for none.
    weight_role : ``Role.LATENT`` (real weight, binarized in forward) or ``Role.BINARY`` (stored as -1/+1).

    Errors: ConfigError for parts that do not fit together.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        input_pipeline: nn.Sequential | None = None,
        weight_pipeline: nn.Sequential | None = None,
        output_scale: nn.Module | None = None,
        filter_scale: nn.Module | None = None,
        weight_role: Role = Role.LATENT,
    ) -> None:
        super().__init__()
        self.input_pipeline = nn.Sequential() if input_pipeline is None else input_pipeline
        self.weight_pipeline = nn.Sequential() if weight_pipeline is None else weight_pipeline
        self.output_scale = nn.Identity() if output_scale is None else output_scale
        self.filter_scale = filter_scale
        self.active_filters: Tensor | None = None
        """Indices of the filters that get a weight gradient, see ``focus_gradients``; None for all."""
        final_binarizer(self.input_pipeline, "input_pipeline")
        check_weight(self.weight_pipeline, weight_role)
        self.parameter_roles = {"weight": weight_role}
        self.weight = nn.Parameter(torch.empty(shape))
        initialize_weight(self.weight, weight_role)

    @abstractmethod
    def product(self, x: Tensor) -> Tensor:
        """The operation on what the input pipeline made, before any scale; export takes its place in a trace."""

    def binary_weight(self) -> Tensor:
        """The -1/+1 weight that forward uses, of the shape of ``weight``."""
        weight: Tensor = self.weight_pipeline(self.weight)
        return weight

    def scaled(self, y: Tensor) -> Tensor:
        """The result ``[N, out_channels, H, W]`` of the operation, by both scales."""
        result: Tensor = self.output_scale(y)
        return result if self.filter_scale is None else result * self.filter_scale(self.weight).view(-1, 1, 1)


def final_binarizer(pipeline: nn.Sequential, where: str) -> Binarizer | None:
    """The binarizer that ends ``pipeline``, None for an empty one, an error when something else stands last."""
    if len(pipeline) == 0:
        return None
    last = pipeline[-1]
    if not isinstance(last, Binarizer):
        raise ConfigError(
            f"{where}: a pipeline ends in a Binarizer; got {type(last).__name__} last; "
            "append one of signbit.binarizers.BINARIZERS"
        )
    return last


def check_weight(pipeline: nn.Sequential, role: Role) -> None:
    """A latent weight needs a {-1,+1} binarizer, a binary weight is already -1/+1 and takes none."""
    last = final_binarizer(pipeline, "weight_pipeline")
    if role is Role.LATENT:
        if last is None:
            raise ConfigError("weight_role LATENT needs a weight_pipeline ending in a {-1,+1} Binarizer; got none")
        if last.alphabet is not Alphabet.PM1:
            raise ConfigError(f"weights are packed as -1/+1; weight_pipeline ends in {last.alphabet.name}; use PM1")
    elif role is Role.BINARY:
        if last is not None:
            raise ConfigError(
                "weight_role BINARY stores -1/+1 itself; got a weight_pipeline too; drop it or use LATENT"
            )
    else:
        raise ConfigError(f"weight_role is LATENT or BINARY; got {role.name}")


@torch.no_grad()
def initialize_weight(weight: Tensor, role: Role) -> None:
    """Glorot-uniform draw; for the role BINARY its sign, so that the weight is -1/+1 from construction.

    Reference: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """
    nn.init.xavier_uniform_(weight)
    if role is Role.BINARY:
        weight.copy_(sign(weight))
