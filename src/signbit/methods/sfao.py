"""SFAO: a sign-flipping-aware optimizer with early stopping, around latent weights of any method.

The published work updates binary weights by looking at whether their signs flip, other parameters as usual, stops early
by the sign flip rate and freezes layers; it reports 21.89 % fewer training instructions on CIFAR-10 for 0.44 points of
accuracy, and 9.37 % less computation time per network on ImageNet. Its inequality and its constants are not public.
**The rules and all numbers here are therefore our design**, on its idea that an update that changes no sign does not
change the network:

* R1 (exact): a weight that is pushed against its clamp does not move; see :func:`~signbit.optimizers.sfao.clip_no_op`.
* R2 (approximate): a weight rests that did not flip in the last epochs and, at the speed of the fastest of its layer,
  can't come to 0 within ``kappa`` epochs; see :func:`~signbit.optimizers.sfao.can_flip_soon`. With ``kappa = inf``
  it lets nothing rest.
* R3 (exact on signs): a weight rests that the sum of all steps to come can't bring to 0; see
  :func:`~signbit.optimizers.sfao.out_of_reach`. It needs steps of bounded size: Adam's, not SGD's. The signs at the
  end are those of the run without it, provided that forward sees nothing but the signs: with a scale or a transform
  that reads magnitudes (Si-BNN, SD-BNN, CycleBNN) it is approximate.
* Freeze and stop: a layer freezes when its sign flip rate was at most ``freeze_rate eta_e / eta_0`` for ``patience``
  epochs in a row; the run stops when every layer is frozen or the rate over all layers was at most ``stop_rate`` for
  ``stop_patience`` epochs, after ``tuning`` epochs in which only what is not binary learns; see
  :func:`~signbit.callbacks.flip_stop.decide`.

What is really skipped: the weight gradient of filters whose weights all rest (granularity "filter"), and the whole
weight gradient, update and optimizer state of frozen layers. The gradient with respect to a layer's input is skipped
where nothing below it learns, which takes ``freeze_below`` as long as a first layer or norms learn. Among the hundreds
of weights of a filter one is active for most of a run: with ``tolerance = 0`` filters rest only near the end. In runs
of few epochs the defaults freeze no layer and so save nothing; ``signbit bench-train --count instructions --methods
sfao:6,sfao:6:below`` shows what a frozen layer saves.

By itself it stands on the baseline ``ste``, whose weights have no scale: the paper's scaled sign is left to the batch
norm that follows. With methods that store -1/+1 it freezes and stops and leaves the update rule alone.

Freezing layers by their sign flip rate is also the subject of a pending patent application, US20250384278A1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from signbit.layers import focus_gradients
from signbit.methods.method import Method, RunInfo, UpdateRule
from signbit.optimizers import FlipAware
from signbit.roles import Role

if TYPE_CHECKING:
    from lightning.pytorch import Callback


def sfao(
    *,
    skip_clipped: bool = True,
    by_movement: bool = True,
    by_reach: bool = True,
    clipping_aware: bool = False,
    kappa: float = 1.0,
    quantile: float = 1.0,
    history: int = 1,
    refresh: int = 5,
    granularity: Literal["weight", "filter"] = "filter",
    tolerance: float = 0.0,
    freeze: bool = True,
    stop: bool = True,
    freeze_rate: float = 1e-3,
    patience: int = 2,
    stop_rate: float = 1e-4,
    stop_patience: int = 3,
    tuning: int = 1,
    freeze_below: bool = False,
    warm_up: float = 0.1,
) -> Method:
    """Weights rest, layers freeze and runs stop by their sign flips.

    Parameters
    ----------
    skip_clipped, by_movement, by_reach : switches of R1, R2 and R3.
    clipping_aware : R2 lets weights rest that are at their clamp, instead of by ``kappa``.
    kappa, quantile, history, refresh, granularity, tolerance : see :class:`~signbit.callbacks.flip_masks.MaskRule`.
    freeze, stop : switches of freezing layers and of stopping the run.
    freeze_rate, patience, stop_rate, stop_patience, tuning : see :class:`~signbit.callbacks.flip_stop.StopRule`.
    freeze_below : see :class:`~signbit.callbacks.flip_stop.FlipStop`.
    warm_up : share of the run, and of each stretch after a jump of precision, in which R2, freezing and stopping wait.

    Errors: ConfigError for settings out of range, when the run starts.
    """

    def flip_aware(rule: UpdateRule) -> UpdateRule:
        def build(parameters: list[nn.Parameter], **options: Any) -> FlipAware:
            return FlipAware(rule.build(parameters, **options), skip_clipped=skip_clipped)

        return UpdateRule(build, rule.options, rule.over_run)

    def masks(network: nn.Module, run: RunInfo) -> Callback:
        from signbit.callbacks import FlipMasks, MaskRule

        rule = MaskRule(
            by_movement=by_movement,
            by_reach=by_reach,
            clipping_aware=clipping_aware,
            kappa=kappa,
            quantile=quantile,
            history=history,
            warm_up=warm_up,
            refresh=refresh,
            granularity=granularity,
            tolerance=tolerance,
        )
        return FlipMasks(network, rule, lambda active: focus_gradients(network, active), **_course(run))

    def freezing(network: nn.Module, run: RunInfo) -> Callback:
        from signbit.callbacks import FlipStop, StopRule

        rule = StopRule(
            freeze_rate=freeze_rate,
            patience=patience,
            stop_rate=stop_rate,
            stop_patience=stop_patience,
            warm_up=warm_up,
            tuning=tuning,
            freeze=freeze,
            stop=stop,
        )
        return FlipStop(network, rule, freeze_below=freeze_below, **_course(run))

    return Method(name="sfao", wrappers={Role.LATENT: flip_aware}, callbacks=(masks, freezing))


def _course(run: RunInfo) -> dict[str, Any]:
    """The run as both callbacks take it, with the epochs that its restarts fall into."""
    return {
        "rate": run.rate,
        "epochs": run.epochs,
        "steps_per_epoch": run.steps_per_epoch,
        "restarts": tuple(step // run.steps_per_epoch for step in run.restarts),
    }
