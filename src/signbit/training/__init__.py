"""Runs: configuration, the LightningModule, run folders, resume and evaluation. The loop itself is Lightning's."""

from signbit.training.config import RunConfig
from signbit.training.evaluation import evaluate
from signbit.training.folder import RunResult, load_run, read_card, read_config
from signbit.training.imported import Imported, import_weights
from signbit.training.key_map import KeyMap
from signbit.training.run import fit, fit_trial, resume

__all__ = [
    "Imported",
    "KeyMap",
    "RunConfig",
    "RunResult",
    "evaluate",
    "fit",
    "fit_trial",
    "import_weights",
    "load_run",
    "read_card",
    "read_config",
    "resume",
]
