"""The full-precision twin of every model."""

from __future__ import annotations

from signbit.methods.method import Method, TrainingDefaults, Weights
from signbit.methods.parts import adam
from signbit.roles import Role


def full_precision() -> Method:
    """Same topology with real weights and hardtanh where the binary network takes signs; Adam."""
    return Method(
        name="float",
        weights=Weights(Role.ORDINARY),
        rules={Role.ORDINARY: adam(1e-2)},
        defaults=TrainingDefaults(learning_rate=1e-2, schedule="one-cycle"),
    )
