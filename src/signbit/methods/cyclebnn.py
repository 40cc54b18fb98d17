"""CycleBNN: the precision of training rises and falls in cycles around a network of one bit.

Fontana, Lanzino, Diko, Foresti, Cinque, "CycleBNN: Cyclic Precision Training in Binary Neural Networks", 2024.

One convolution, b bits and g gradient bits at this step, ``Q_b`` a uniform grid of 2^b levels::

    w1 = 2 sqrt(2) w / sqrt(Var(filter) + 1e-5)      a1 = a / sqrt(Var(sample) + 1e-5)    training only
    w2 = Q_b(w1; range of the filter)                a2 = Q_b(a1; range of the batch)     backward: identity
    y  = conv(sign(a2), sign(w2))                    backward: dL/dy on Q_g, stochastic rounding
    out_o = alpha_o y_o                              alpha learned, starts even in [0, 1)
    backward of sign(w2): identity                   backward of sign(a2): G max(0, 2 - 2 |a2|)

The operands of every product are -1 and +1: the grid moves only the sign's threshold and the point at which its
derivative is taken. So the network has one bit all along; bits 2 to 6 describe the grid, not the arithmetic.

From the paper: 2 to 6 bits and 8 gradient bits, 8 cycles over the run (a run of fewer than 8 steps has that many),
AdamW with learning rate 1e-3 and weight decay 1e-5 on everything, half a cosine per step to 0. The recipes use batches
of 16.

Deviations from the released code: sign(0) = +1, there 0. Evaluation takes the plain signs of w and a whatever the bits
are at that moment, so that it depends neither on when validation runs nor on running ranges, and is what is exported;
``eval_bits="published"`` evaluates as released, on the grid of the present bits and the running range, and is refused
at export. Rounding noise comes from a seed that is saved with the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.optim import AdamW

from signbit.alphabet import Alphabet
from signbit.binarizers import Binarizer, SignIdentity, SignPolynomial
from signbit.methods.method import Method, RunInfo, Scale, Stage, Staged, TrainingDefaults, UpdateRule, Weights
from signbit.roles import Role
from signbit.schedules import CyclicBits
from signbit.transforms import (
    ChannelScale,
    QuantizeActivation,
    QuantizeGradient,
    QuantizeWeight,
    StandardizeActivation,
    StandardizeWeight,
)
from signbit.transforms.precision import checked_bits
from signbit.transforms.quantize import EvalBits, checked_eval_bits

if TYPE_CHECKING:
    from lightning.pytorch import Callback

LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-5


def cyclebnn(
    *,
    low: int = 2,
    high: int = 6,
    gradient_low: int = 8,
    gradient_high: int = 8,
    cycles: int = 8,
    eval_bits: EvalBits = None,
) -> Method:
    """Cyclic precision around plain signs.

    Parameters
    ----------
    low, high : bits of the grid at the start and at the end of a cycle, 1 <= low <= high <= 16.
    gradient_low, gradient_high : the same for gradients.
    cycles : in a run, >= 1.
    eval_bits : None: evaluation takes plain signs. "published": see above.

    Errors: ConfigError for settings out of range.
    """
    # Refuse settings out of range here, not when the run starts.
    for start, stop in ((low, high), (gradient_low, gradient_high)):
        CyclicBits(start, checked_bits(stop), cycles, cycles)
    checked_eval_bits(eval_bits)

    def cycle(start: int, stop: int, steps: int) -> CyclicBits:
        return CyclicBits(start, stop, min(cycles, steps), steps)

    def standardized_input(_channels: int, _alphabet: Alphabet) -> nn.Module:
        return StandardizeActivation()

    def quantized_input(_channels: int, alphabet: Alphabet) -> nn.Module:
        return QuantizeActivation(low, eval_bits, alphabet)

    def standardized_weight(_channels: int, _alphabet: Alphabet) -> nn.Module:
        return StandardizeWeight()

    def quantized_weight(_channels: int, _alphabet: Alphabet) -> nn.Module:
        return QuantizeWeight(low, eval_bits)

    def quantized_gradient(_channels: int) -> nn.Module:
        return QuantizeGradient(gradient_low)

    def precision(network: nn.Module, run: RunInfo) -> Callback:
        from signbit.callbacks import PrecisionSchedule

        steps = run.total_steps
        return PrecisionSchedule(network, cycle(low, high, steps), cycle(gradient_low, gradient_high, steps))

    def jumps(total_steps: int) -> tuple[int, ...]:
        return cycle(low, high, total_steps).jumps()

    adamw = UpdateRule(AdamW, {"lr": LEARNING_RATE, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": WEIGHT_DECAY})
    return Method(
        name="cyclebnn",
        activation_transforms=(Staged(Stage.STANDARDIZE, standardized_input), Staged(Stage.QUANTIZE, quantized_input)),
        activations=_polynomial_sign,
        weight_transforms=(Staged(Stage.STANDARDIZE, standardized_weight), Staged(Stage.QUANTIZE, quantized_weight)),
        weights=Weights(Role.LATENT, _identity_sign),
        outputs=(quantized_gradient,),
        scale=Scale(ChannelScale),
        rules={Role.LATENT: adamw, Role.ORDINARY: adamw},
        callbacks=(precision,),
        restarts=jumps,
        defaults=TrainingDefaults(learning_rate=LEARNING_RATE, schedule="cosine"),
    )


def _polynomial_sign(_channels: int) -> Binarizer:
    return SignPolynomial()


def _identity_sign(_channels: int) -> Binarizer:
    return SignIdentity()
