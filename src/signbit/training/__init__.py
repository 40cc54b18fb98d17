"""Runs: configuration, the LightningModule, run folders, resume and evaluation. The loop itself is Lightning's."""

from signbit.training.config import RunConfig
from signbit.training.evaluation import evaluate
from signbit.training.run import RunResult, fit, load_run, read_card, read_config, resume

__all__ = ["RunConfig", "RunResult", "evaluate", "fit", "load_run", "read_card", "read_config", "resume"]
