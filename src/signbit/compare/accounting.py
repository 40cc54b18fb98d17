"""What the products of a run's training steps cost on paper, counted with :mod:`signbit.metrics.operations`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import fmean

from signbit.callbacks.precision import PrecisionSchedule
from signbit.compare.records import RunRecord
from signbit.methods import RunInfo, resolve
from signbit.metrics import layer_costs, published_cost, training_operations
from signbit.training.folder import build_network, read_card
from signbit.training.rates import rate_shape


@dataclass(frozen=True)
class TrainingCost:
    """Bit operations of the three products of every layer, over a whole run.

    Attributes
    ----------
    bit_operations : of the run; what frozen layers and resting weights leave out is not subtracted.
    of_float : the same as a share of what the float twin's take.
    published : share of float32 by the formula of CycleBNN's paper, mean over the steps; None without a cycle of bits.
    """

    bit_operations: int
    of_float: float
    published: float | None


def precision_schedule(record: RunRecord) -> PrecisionSchedule | None:
    """What set the bits of the run's grids; None where it has none."""
    config, last = record.config, record.epochs[-1]
    method = resolve(config.method, config.method_options)
    steps = round(last["step"] / (last["epoch"] + 1))
    run = RunInfo(config.epochs, steps, rate_shape(config.schedule or "constant", config.epochs * steps, None))
    callbacks = method.callbacks(build_network(config, read_card(record.folder)), run)
    return next((found for found in callbacks if isinstance(found, PrecisionSchedule)), None)


def training_cost(record: RunRecord) -> TrainingCost:
    """Count the run's products; its network is built anew, untrained."""
    config, card = record.config, read_card(record.folder)
    steps = int(record.epochs[-1]["step"])
    cycle = precision_schedule(record)
    bits = [(int(cycle.bits(step)), int(cycle.gradient_bits(step))) for step in range(steps)] if cycle else []
    costs = layer_costs(build_network(config, card), card.input_size)
    gradient_bits = Counter(gradient for _, gradient in bits) if bits else Counter({32: steps})
    counts = [(training_operations(costs, gradient), times) for gradient, times in gradient_bits.items()]
    total = sum(count.total * times for count, times in counts)
    return TrainingCost(
        bit_operations=total * config.batch_size,
        of_float=total / sum(count.float_twin * times for count, times in counts),
        published=fmean(published_cost(*pair) for pair in bits) if bits else None,
    )
