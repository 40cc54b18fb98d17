"""What the thresholds and windows of {0,1} activations do, seen on the validation images."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.utils.hooks import RemovableHandle

from signbit.binarizers import StepWindow
from signbit.metrics.windows import WindowShares


class WindowRates(Callback):  # type: ignore[misc]
    """Logs once an epoch, of every :class:`~signbit.binarizers.StepWindow`, the shares that are on and that pass.

    ``fraction_on`` and ``pass_through`` over all layers, ``fraction_on/LAYER`` and ``pass_through/LAYER`` for each.
    Measured in validation: training, compiled or not, is not slowed down. A network without such binarizers logs
    nothing.

    Parameters
    ----------
    network : the network, whose names the layers are logged under.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._shares: dict[str, WindowShares] = {}
        self._handles: list[RemovableHandle] = []

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Watch what comes in front of the binarizers."""
        self._stop()
        for name, module in self._network.named_modules():
            if isinstance(module, StepWindow):
                self._shares[name] = shares = WindowShares(module.rho)
                self._handles.append(module.register_forward_pre_hook(_counter(shares)))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Stop watching."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Stop watching."""
        self._stop()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the shares, over the images of all processes."""
        seen = {name: shares.counts for name, shares in self._shares.items() if shares.count}
        if not seen:
            return
        own = torch.tensor(list(seen.values()), device=pl_module.device)
        counts = trainer.strategy.reduce(own, reduce_op="sum").tolist()
        total = [sum(column) for column in zip(*counts, strict=True)]
        for key, column in (("fraction_on", 0), ("pass_through", 1)):
            pl_module.log(key, total[column] / total[2])
            shares = {name: layer[column] / layer[2] for name, layer in zip(seen, counts, strict=True)}
            pl_module.log_dict({f"{key}/{name}": share for name, share in shares.items()})

    def _stop(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._shares.clear()


def _counter(shares: WindowShares) -> Any:
    def count(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        shares.update(inputs[0])

    return count
