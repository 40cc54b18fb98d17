"""The full-precision twin of every model."""

from __future__ import annotations

from signbit.methods.method import Method, TrainingDefaults
from signbit.methods.parts import adam
from signbit.roles import Role

FLOAT = Method(
    name="float",
    rules={Role.ORDINARY: adam(1e-2)},
    defaults=TrainingDefaults(learning_rate=1e-2, schedule="one-cycle"),
)
"""Same topology with real weights and hardtanh where the binary network takes signs; Adam."""
