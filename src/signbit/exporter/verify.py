"""Pass 5, verify: whether the written graph is the network: both run on the same images and their outputs are compared.

Sums of bits are exact in both. What differs is rounding in the float parts, about 1e-7 of a number each; a number
that lies so close to a threshold that its rounding decides the bit may fall to different sides, and then the outputs
of that image differ visibly. Such images are counted and reported; many of them, or different answers, are an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from signbit.errors import ExportError
from signbit.exporter.trace import evaluating
from signbit.runtime import Session, available_isas

ROUNDING = 1e-4
"""Share of the outputs' range that float rounding alone may change; beyond it a bit has flipped."""

DISAGREEMENT = 0.01
"""Share of the images (and at least one) whose largest output may be another one."""

GROSS = 0.02
"""Share of the outputs' range that the median image's difference must stay below."""

BATCH = 32


@dataclass(frozen=True)
class Verification:
    """How far the written network's outputs are from torch's.

    Attributes
    ----------
    engine : what ran the file: an instruction-set tier, or ``"reference"``.
    images : number of images compared.
    max_abs_diff : largest difference of an output.
    output_range : largest minus smallest output of the torch model.
    argmax_agreement : share of images with the same largest output.
    flipped_images : images with a difference beyond rounding.
    """

    engine: str
    images: int
    max_abs_diff: float
    output_range: float
    argmax_agreement: float
    flipped_images: int

    def lines(self) -> list[str]:
        """One line a figure."""
        return [f"{name}: {value}" for name, value in vars(self).items()]


def verify(model: nn.Module, data: bytes, images: Tensor) -> Verification:
    """Run ``model`` and the file ``data`` on ``images`` and compare.

    Parameters
    ----------
    model : the torch model, on any device.
    data : the content of the ``.sbn`` file.
    images : ``[N, C, H, W]``, N >= 1.

    Errors
    ------
    ExportError : an output is not finite, or the two differ by more than rounding explains.
    """
    native = available_isas() != ["reference"]
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    ours, theirs = [], []
    with Session(data, isa=None if native else "reference") as session, evaluating(model):
        for batch in torch.split(images, BATCH):
            theirs.append(model(batch.to(device)).float().cpu().numpy())
            ours.append(session.run(np.ascontiguousarray(batch.cpu().numpy(), dtype=np.float32)))
        engine = session.isa
    return compare(np.concatenate(ours), np.concatenate(theirs), engine)


def compare(ours: npt.NDArray[Any], theirs: npt.NDArray[Any], engine: str) -> Verification:
    """The measured difference, or an error where it cannot be rounding.

    Parameters
    ----------
    ours, theirs : outputs of the file and of the torch model, ``[N, ...]``.
    """
    if ours.size != theirs.size or len(ours) != len(theirs):
        raise ExportError(f"the file's output is {ours.shape}, the torch model's {theirs.shape}; nothing was written")
    ours, theirs = (outputs.reshape(len(outputs), -1).astype(np.float64) for outputs in (ours, theirs))
    for who, outputs in (("torch model", theirs), ("exported file", ours)):
        if not np.isfinite(outputs).all():
            raise ExportError(f"the {who} gives NaN or infinity on the example input; nothing was written")
    difference = np.abs(ours - theirs).max(axis=1)
    spread = float(np.ptp(theirs)) or float(np.abs(theirs).max()) or 1.0
    agree = ours.argmax(axis=1) == theirs.argmax(axis=1)
    result = Verification(
        engine=engine,
        images=len(ours),
        max_abs_diff=float(difference.max()),
        output_range=spread,
        argmax_agreement=float(agree.mean()),
        flipped_images=int((difference > ROUNDING * spread).sum()),
    )
    median = float(np.median(difference)) / spread
    if median > GROSS or (~agree).sum() > max(1.0, DISAGREEMENT * len(agree)):
        raise ExportError(
            f"the exported network is not the torch model: the median image differs by {median:.2g} of the outputs' "
            f"range (allowed: {GROSS:g}), {(~agree).sum()} of {len(agree)} images have another largest output (allowed "
            f"{max(1.0, DISAGREEMENT * len(agree)):g}); nothing was written; please report the model as a bug"
        )
    return result
