"""How many weights change their sign."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signbit.errors import ConfigError
from signbit.roles import Role, parameter_roles


class FlipTracker:
    """Counts sign changes of every binary and latent weight of a model between two looks at it.

    Sign flip rate of a layer: ``SFR = popcount(S_now XOR S_before) / N`` with S the signs (``sign(0) = +1``) and N the
    weights. A weight that flips twice between two looks counts 0. Signs are kept packed, one bit a weight.

    Parameters
    ----------
    model : its weights of role BINARY and LATENT are watched, by their full names, from their present signs on.

    >>> from signbit.methods import create_model
    >>> net = create_model("convnet-tiny", method="bop", num_classes=10)
    >>> tracker = FlipTracker(net)
    >>> _ = net.body[0].weight.data[0, 0].neg_()
    >>> tracker.update()
    {'body.0.weight': 9, 'body.4.weight': 0, 'body.8.weight': 0}
    >>> round(tracker.rate * sum(tracker.sizes.values()))
    9
    """

    def __init__(self, model: nn.Module) -> None:
        roles = parameter_roles(model)
        self._weights: dict[str, nn.Parameter] = {
            name: weight for name, weight in model.named_parameters() if roles[name] in (Role.BINARY, Role.LATENT)
        }
        self._signs = {name: packed_signs(weight) for name, weight in self._weights.items()}
        self._flips = dict.fromkeys(self._weights, 0)
        self.sizes = {name: weight.numel() for name, weight in self._weights.items()}
        """Weights per layer."""

    def update(self) -> dict[str, int]:
        """Flips per layer since the last call (since construction at the first)."""
        signs = {name: packed_signs(weight) for name, weight in self._weights.items()}
        if signs:
            # One tensor, one transfer: on an accelerator every separate number would wait for the device.
            counts = torch.stack([popcount(signs[name] ^ self._signs[name]) for name in signs]).tolist()
            self._flips = dict(zip(signs, counts, strict=True))
        self._signs = signs
        return dict(self._flips)

    @property
    def rates(self) -> dict[str, float]:
        """Sign flip rate per layer at the last update, 0 .. 1."""
        return {name: flips / self.sizes[name] for name, flips in self._flips.items()}

    @property
    def rate(self) -> float:
        """Sign flip rate of all layers together at the last update, 0 .. 1; 0 for a model without binary weights."""
        total = sum(self.sizes.values())
        return sum(self._flips.values()) / total if total else 0.0

    def state_dict(self) -> dict[str, Tensor]:
        """The packed signs of the last look, so that a resumed run goes on counting from there."""
        return dict(self._signs)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over signs that :meth:`state_dict` gave; ConfigError if they are another model's."""
        lengths = {name: signs.numel() for name, signs in state.items()}
        expected = {name: signs.numel() for name, signs in self._signs.items()}
        if lengths != expected:
            raise ConfigError(
                f"FlipTracker: the state is of another model; got {lengths}, this one has {expected} octets"
            )
        self._signs = {name: signs.to(self._weights[name].device) for name, signs in state.items()}


@torch.no_grad()
def packed_signs(weight: Tensor) -> Tensor:
    """One bit a weight, 1 for +1, eight to an octet, padding bits 0: uint8 ``[ceil(N / 8)]``.

    >>> packed_signs(torch.tensor([1.0, -1.0, 0.0, -0.0, -2.0, 1.0, 1.0, -1.0, 1.0])).tolist()
    [109, 1]
    """
    bits = weight.flatten().ge(0).to(torch.uint8)
    bits = F.pad(bits, (0, -bits.numel() % 8)).view(-1, 8)
    places = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8, device=bits.device)
    return (bits * places).sum(1, dtype=torch.uint8)


def popcount(octets: Tensor) -> Tensor:
    """Number of one bits in a uint8 tensor, as an int64 scalar.

    >>> popcount(torch.tensor([255, 1, 0], dtype=torch.uint8))
    tensor(9)
    """
    pairs = octets - (octets >> 1 & 0x55)
    fours = (pairs & 0x33) + (pairs >> 2 & 0x33)
    return ((fours + (fours >> 4)) & 0x0F).sum(dtype=torch.int64)
