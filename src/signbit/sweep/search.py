"""Which settings are tried next, and which trials are given up: Optuna's samplers and pruners by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, BruteForceSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from signbit.registry import Registry

SAMPLERS: Registry[Callable[[int], BaseSampler]] = Registry("sampler")
"""Seed -> sampler."""
SAMPLERS.add("tpe", "ten random trials, then where good ones are dense", lambda seed: TPESampler(seed=seed),
             "Bergstra, Bardenet, Bengio, Kegl, Algorithms for Hyper-Parameter Optimization, 2011")  # fmt: skip
SAMPLERS.add("random", "every trial drawn by itself", lambda seed: RandomSampler(seed=seed),
             "Bergstra, Bengio, Random Search for Hyper-Parameter Optimization, 2012")  # fmt: skip
SAMPLERS.add("grid", "every combination once; for choices, whole numbers and steps", lambda seed: _quiet_grid(seed))

PRUNERS: Registry[Callable[[int], BasePruner]] = Registry("pruner")
"""Epochs of a run -> pruner."""
PRUNERS.add("none", "every trial runs to its end", lambda _: NopPruner())
PRUNERS.add("median", "from the eleventh trial on, every tenth of the epochs after the first third: gives up what has "
            "never been as good as the median of the trials that ran to their end was at that epoch",
            # Warm-up and interval as in Optuna's own example. Optuna takes five trials for a start; here those that TPE
            # draws at random come first, all of them: the median is over whole trials, and of five it is mostly luck.
            lambda epochs: MedianPruner(n_startup_trials=10, n_warmup_steps=max(1, epochs // 3),
                                        interval_steps=max(1, epochs // 10)))  # fmt: skip
PRUNERS.add("halving", "keeps the best quarter of the trials at 2, 5, 17, ... epochs",
            lambda _: SuccessiveHalvingPruner(min_resource=1, reduction_factor=4),
            "Li et al., A System for Massively Parallel Hyperparameter Tuning, 2020")  # fmt: skip
PRUNERS.add("hyperband", "halving from several starts at once",
            lambda epochs: HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3),
            "Li et al., Hyperband, 2018")  # fmt: skip


class SeededByTrial(BaseSampler):
    """Draws trial n from the seed and n: the same trials whoever runs them, and never the same one in two workers.

    Parameters
    ----------
    name : of ``SAMPLERS``.
    seed : of the study, >= 0.
    """

    def __init__(self, name: str, seed: int) -> None:
        self._make, self._seed = SAMPLERS[name].target, seed
        self._sampler = self._make(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Seed for ``trial``."""
        self._sampler = self._make(int(np.random.SeedSequence([self._seed, trial.number]).generate_state(1)[0]))
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As the sampler does."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the sampler does."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As the sampler does."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        """As the sampler does."""
        self._sampler.after_trial(study, trial, state, values)


def _quiet_grid(seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return BruteForceSampler(seed=seed)
