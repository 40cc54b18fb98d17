"""Flip counts and rates; shares of signs and activations; what layers and training cost."""

from signbit.metrics.balance import sign_balance
from signbit.metrics.flips import FlipTracker
from signbit.metrics.layer_costs import LayerCost, layer_costs
from signbit.metrics.operations import TrainingOperations, published_cost, released_code_cost, training_operations
from signbit.metrics.windows import WindowShares

__all__ = [
    "FlipTracker",
    "LayerCost",
    "TrainingOperations",
    "WindowShares",
    "layer_costs",
    "published_cost",
    "released_code_cost",
    "sign_balance",
    "training_operations",
]
