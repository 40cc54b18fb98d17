"""Binarized neural networks with latent weights and straight-through gradients: the baseline.

Courbariaux, Hubara, Soudry, El-Yaniv, Bengio, "Binarized Neural Networks: Training Deep Neural Networks with Weights
and Activations Constrained to +1 or -1", 2016.

Weights ``sign(w)``, activations ``sign(x)``, both with the gradient ``G 1[|.| <= 1]``; Adam on the latent w, then
``w <- min(max(w, -1), 1)``. Deviations: deterministic signs only; the learning rate rises and falls once over the run.
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
        rules={Role.LATENT: adam(1e-2), Role.ORDINARY: adam(1e-2)},
        defaults=TrainingDefaults(learning_rate=1e-2, schedule="one-cycle"),
    )
