"""Several processes that train one network together."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import Callback, Trainer

from signbit.errors import ConfigError, SignbitError
from signbit.training.config import STRATEGIES, RunConfig


def is_first_process() -> bool:
    """Whether this process speaks for all: as Lightning knows, or the variables that torchrun and SLURM set."""
    return int(getattr(rank_zero_only, "rank", None) or 0) == 0


def check_started(processes: int) -> None:
    """Refuse to be one of several that torchrun or srun started for a run that asks for another number of them."""
    started = int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_STEP_NUM_TASKS") or 1)
    if started > 1 and started != processes:
        raise ConfigError(
            f"{started} processes have been started, but devices x nodes of the run is {processes}; "
            "give --devices and --nodes that multiply to the number of processes"
        )


def strategy_for(config: RunConfig, callbacks: Sequence[Callback]) -> str:
    """Lightning's name of how the processes of a run work together, given the method's callbacks.

    Errors: ConfigError for a strategy that breaks down when a layer freezes.
    """
    if config.processes == 1:
        return "auto"
    plain, searching = STRATEGIES
    needed = searching if any(getattr(callback, "freezes", False) for callback in callbacks) else plain
    if config.strategy == plain != needed:
        raise ConfigError(
            f"method {config.method!r} freezes layers, which strategy {plain!r} cannot; use {searching!r}"
        )
    return config.strategy or needed


@contextmanager
def failures_end_all(trainer: Trainer) -> Iterator[None]:
    """Whatever ends this process early ends those it started, which would wait for it for ever.

    Errors: SignbitError if one of them has ended before this one, which then finds nobody to talk to.
    """
    try:
        yield
    except BaseException as error:
        launcher = trainer.strategy.launcher
        codes = [process.poll() for process in getattr(launcher, "procs", [])]
        if launcher is not None:
            launcher.kill(signal.SIGKILL)
        if isinstance(error, RuntimeError) and any(codes):
            raise SignbitError(
                f"another process of the run has ended, with exit code {next(filter(None, codes))}; what it said is "
                "above; the run can be resumed"
            ) from error
        raise
