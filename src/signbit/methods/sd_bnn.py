"""SD-BNN: activations and weights shift themselves before their signs are taken; no scaling factors.

Xue, Lu, Chang, Wei, Wei, "Self-Distribution Binary Neural Networks", 2022.

One convolution on x ``[N, C, H, W]`` with latent weights w ``[O, C, k, k]``::

    ASD   z = mean_{H,W}(x)      beta = sigmoid(A2 relu(A1 z))      u = x + beta
    WSD   w~_o = w_o + 0.01 sigmoid(alpha_o) mu_o                   mu_o = mean(w_o), a constant for the gradient
    y = conv(sign(u), sign(w~))

beta depends on the image: in the deployed network it stays as a small float side path. WSD folds away, and at its
published strength changes hardly any sign. A shortcut takes x, not u: that is the network's affair.

Variants, each as published:

* ``"cifar"``: both signs with the gradient of EDE, whose t runs from t_min towards 10 over the epochs (t_min: 1e-3 for
  ResNet-20 and ResNet-18, 1e-1 for VGG-small); A1 16 times narrower than C; SGD with momentum 0.9, weight decay 1e-4 on
  everything; half a cosine from the learning rate (ResNet-20: 0.11; ResNet-18 and VGG-small: 0.08) to 0.
* ``"imagenet"``: gradients of Bi-Real Net, ``max(0, 2 - 2|u|)`` and ``1[|w~| <= 1]``; A1 8 times narrower; Adam, 1e-3
  falling linearly. The published second stage starts from a network whose weights were real in the first; here there is
  one stage.

Towards the end t exceeds 1: near 0 every sign then multiplies the gradient that passes it by t. In a short run, whose
learning rate is still high by then, the last epoch can be worse than the one before; a smaller ``t_max`` prevents that,
and ``checkpoints/best.ckpt`` holds the best on validation.

Deviations from the released code: sign(0) = +1, there 0; the cosine falls at every step, there at every epoch; t and k
are saved with the model. The published accuracies are those of the best epoch on the test set, without its last 16
images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import nn
from torch.optim import SGD

from signbit.alphabet import Alphabet
from signbit.binarizers import Binarizer, SignClip, SignEDE, SignPolynomial
from signbit.binarizers.ede import T_MAX, ede_sharpness
from signbit.errors import UnknownNameError
from signbit.methods.method import Method, RunInfo, Scale, Stage, Staged, TrainingDefaults, UpdateRule, Weights
from signbit.methods.parts import adam
from signbit.roles import Role
from signbit.transforms import SelfDistribution, WeightSelfDistribution
from signbit.transforms.weight_self_distribution import STRENGTH

if TYPE_CHECKING:
    from lightning.pytorch import Callback


@dataclass(frozen=True)
class _Variant:
    activations: Callable[[], Binarizer]
    weights: Callable[[], Binarizer]
    reduction: int
    rule: UpdateRule
    defaults: TrainingDefaults


VARIANTS: Mapping[str, _Variant] = {
    "cifar": _Variant(
        SignEDE, SignEDE, 16,
        UpdateRule(SGD, {"lr": 0.11, "momentum": 0.9, "weight_decay": 1e-4}),
        TrainingDefaults(learning_rate=0.11, schedule="cosine"),
    ),
    "imagenet": _Variant(
        SignPolynomial, SignClip, 8, adam(1e-3), TrainingDefaults(learning_rate=1e-3, schedule="linear")
    ),
}  # fmt: skip


def sd_bnn(
    *,
    variant: Literal["cifar", "imagenet"] = "cifar",
    t_min: float = 1e-3,
    t_max: float = T_MAX,
    strength: float = STRENGTH,
    reduction: int | None = None,
) -> Method:
    """Self-distribution of activations and weights before plain signs.

    Parameters
    ----------
    variant : "cifar" or "imagenet", see above.
    t_min, t_max : course of the gradient in the variant "cifar", see :func:`~signbit.binarizers.ede_sharpness`.
    strength : of the weights' self-distribution; 0.01 as released, 0 turns it off.
    reduction : see :class:`~signbit.transforms.SelfDistribution`; None for the variant's, 16 or 8.

    Errors: UnknownNameError for another variant, ConfigError for t_min or t_max <= 0.
    """
    if variant not in VARIANTS:
        raise UnknownNameError("variant of sd-bnn", variant, VARIANTS)
    parts = VARIANTS[variant]
    ede_sharpness(0, 1, t_min, t_max)  # refuses settings out of range here, not when the run starts

    def distributed_input(channels: int, _alphabet: Alphabet) -> nn.Module:
        return SelfDistribution(channels, parts.reduction if reduction is None else reduction)

    def distributed_weight(channels: int, _alphabet: Alphabet) -> nn.Module:
        return WeightSelfDistribution(channels, strength)

    def sharpening(network: nn.Module, run: RunInfo) -> Callback:
        from signbit.callbacks import EdeSchedule

        return EdeSchedule(network, run.epochs, t_min=t_min, t_max=t_max)

    return Method(
        name="sd-bnn",
        activation_transforms=(Staged(Stage.DISTRIBUTE, distributed_input),),
        activations=lambda _channels: parts.activations(),
        weight_transforms=(Staged(Stage.DISTRIBUTE, distributed_weight),),
        weights=Weights(Role.LATENT, lambda _channels: parts.weights()),
        scale=Scale(),
        rules={Role.LATENT: parts.rule, Role.ORDINARY: parts.rule},
        callbacks=(sharpening,),
        defaults=parts.defaults,
    )
