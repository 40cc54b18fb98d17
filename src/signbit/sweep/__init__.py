"""Search over the settings of runs with Optuna: typed ranges, pruning, studies that several workers share."""

from signbit.sweep.definition import StudyDefinition
from signbit.sweep.runner import sweep
from signbit.sweep.storage import open_study

__all__ = ["StudyDefinition", "open_study", "sweep"]
