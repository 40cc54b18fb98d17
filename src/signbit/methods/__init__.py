"""One paper per file: a frozen record that assembles parts with the paper's defaults."""

from signbit.methods.create import create_model, create_optimizer
from signbit.methods.method import Method, TrainingDefaults, UpdateRule, Weights
from signbit.methods.table import METHODS

__all__ = ["METHODS", "Method", "TrainingDefaults", "UpdateRule", "Weights", "create_model", "create_optimizer"]
