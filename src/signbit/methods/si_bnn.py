"""Si-BNN: activations in {0, 1}, with trained thresholds and windows; scaled signs as weights.

Wang, He, Li, Zhao, Cheng, "Sparsity-Inducing Binarized Neural Networks", 2020; extended in Wang, He, Cheng, "Toward
Accurate Binarized Neural Networks With Sparsity for Mobile Application", 2022.

Per channel c of a layer's input x (a batch norm's output), and per filter o of n latent weights::

    y = s_c (x - t_c)      a = 1[y > 0]           backward: da/dy = 1[-rho < y < 1]
    alpha_o = mean|w_o|    W_o = alpha_o sign(w_o)
    backward, G the gradient of W:    dL/dw = (1 - 1/n) G 1[|w| <= 1] + sign(w) (1/n) sum_j sign(w_j) G_j

In the papers' words theta = t and Delta = 1 / s; s starts at 1, t at 0, rho = 0.3 (released code). After every step
``w <- min(max(w, -1), 1)``. Weights start normal with standard deviation 1/n. Adam with learning rate 1e-3, half a
cosine per step to 0; weight decay 1e-5, but none on s and t. The recipes use batches of 256 over 100 epochs.

Where the published networks put a batch norm in front of each binarizer, and no ReLU inside of blocks, that is the
network's affair.

Thresholds and scales fold at export: what is left is one integer threshold per channel. Deviations: s is kept >= 0.01,
so that it never turns a comparison around; sign(0) = +1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.optim import Adam

from signbit.alphabet import Alphabet
from signbit.binarizers import Binarizer, SignScaleFree, StepWindow
from signbit.binarizers.window import RHO
from signbit.methods.method import Method, RunInfo, Scale, Stage, Staged, TrainingDefaults, UpdateRule, Weights
from signbit.methods.parts import adam_options
from signbit.roles import Role
from signbit.transforms import ChannelThreshold, MeanAbsScale

if TYPE_CHECKING:
    from lightning.pytorch import Callback

LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-5


def si_bnn(*, rho: float = RHO) -> Method:
    """{0, 1} activations behind trained thresholds, scaled signs as weights.

    Parameters
    ----------
    rho : in [0, 1], see :class:`~signbit.binarizers.StepWindow`; 0.3 from the released code.

    Errors: ConfigError for rho out of range.
    """
    StepWindow(rho)  # refuses a rho out of range here, not when a network is built
    options = adam_options(LEARNING_RATE)
    decayed = UpdateRule(Adam, {**options, "weight_decay": WEIGHT_DECAY})
    # Without the option: an override of weight decay is not for thresholds either.
    undecayed = UpdateRule(Adam, {name: value for name, value in options.items() if name != "weight_decay"})
    return Method(
        name="si-bnn",
        activation_transforms=(Staged(Stage.THRESHOLD, _threshold),),
        activations=lambda _channels: StepWindow(rho),
        weights=Weights(Role.LATENT, _scale_free_sign, clamp=1.0, initialize=narrow_normal),
        scale=Scale(filter=_mean_abs_scale),
        rules={Role.LATENT: decayed, Role.ORDINARY: decayed, Role.THRESHOLD: undecayed},
        callbacks=(_window_rates,),
        defaults=TrainingDefaults(learning_rate=LEARNING_RATE, schedule="cosine"),
    )


def narrow_normal(weight: Tensor) -> None:
    """Normal with mean 0 and standard deviation 1/n, n numbers in a filter."""
    nn.init.normal_(weight, std=1 / weight[0].numel())


def _threshold(channels: int, _alphabet: Alphabet) -> nn.Module:
    return ChannelThreshold(channels)


def _scale_free_sign(_channels: int) -> Binarizer:
    return SignScaleFree()


def _mean_abs_scale(_channels: int) -> nn.Module:
    return MeanAbsScale()


def _window_rates(network: nn.Module, _run: RunInfo) -> Callback:
    from signbit.callbacks import WindowRates

    return WindowRates(network)
