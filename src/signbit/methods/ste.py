"""Binarized neural networks with latent weights and straight-through gradients: the baseline.

Courbariaux, Hubara, Soudry, El-Yaniv, Bengio, "Binarized Neural Networks: Training Deep Neural Networks with Weights
and Activations Constrained to +1 or -1", 2016.

Weights ``sign(w)``, activations ``sign(x)``, both with the gradient ``G 1[|.| <= 1]``; Adam on the latent w, then
``w <- min(max(w, -1), 1)``. Deviations: deterministic signs only; the learning rate, 3e-2, falls along half a cosine
[design: the best of five pairs of rate and shape on the validation images of CIFAR-10, docs/performance-log.md].
"""

from __future__ import annotations

from signbit.methods.method import Method, Scale, TrainingDefaults, Weights
from signbit.methods.parts import adam, clipped_sign
from signbit.roles import Role


def ste() -> Method:
    """Latent weights under Adam, clipped straight-through gradients on both sides."""
    return Method(
        name="ste",
        activations=clipped_sign,
        weights=Weights(Role.LATENT, clipped_sign, clamp=1.0),
        scale=Scale(),
        rules={Role.LATENT: adam(3e-2), Role.ORDINARY: adam(3e-2)},
        defaults=TrainingDefaults(learning_rate=3e-2, schedule="cosine"),
    )
