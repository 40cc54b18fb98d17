"""One paper per file: a frozen record that assembles parts with the paper's defaults; records combine slot by slot."""

from signbit.methods.compose import Composition, resolve
from signbit.methods.create import create_model, create_optimizer
from signbit.methods.method import (
    Method,
    RunInfo,
    Scale,
    Slot,
    Stage,
    Staged,
    TrainingDefaults,
    UpdateRule,
    Weights,
)
from signbit.methods.pairings import PAIRINGS, Pairing
from signbit.methods.table import METHODS

__all__ = [
    "METHODS",
    "PAIRINGS",
    "Composition",
    "Method",
    "Pairing",
    "RunInfo",
    "Scale",
    "Slot",
    "Stage",
    "Staged",
    "TrainingDefaults",
    "UpdateRule",
    "Weights",
    "create_model",
    "create_optimizer",
    "resolve",
]
