"""Where the time of the written file goes, measured on the machine that exports it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from signbit.runtime import Session, available_isas

RUNS = 5


@dataclass(frozen=True)
class TimeShares:
    """Node name -> share of the time of one image, 0 .. 1; empty where nothing could be measured.

    Attributes
    ----------
    source : what the shares come from, or why there are none.
    """

    shares: Mapping[str, float]
    source: str


def time_shares(content: bytes, image: npt.NDArray[np.float32]) -> TimeShares:
    """Profile a file natively on one image, on one thread.

    Parameters
    ----------
    content : of a ``.sbn`` file.
    image : ``[1, C, H, W]``.
    """
    if available_isas() == ["reference"]:
        return TimeShares({}, "not measured: the native module is not built")
    with Session(content, threads=1) as session:
        if session.isa == "reference":
            return TimeShares({}, "not measured: SIGNBIT_ISA asks for the reference")
        profiles = [session.profile(image) for _ in range(RUNS)]
        isa = session.isa
    fastest = min(profiles, key=lambda steps: sum(step.seconds for step in steps))
    total = sum(step.seconds for step in fastest)
    shares: dict[str, float] = defaultdict(float)
    for step in fastest:
        shares[step.name] += step.seconds / total if total else 0.0
    source = (
        f"one image on this machine, tier {isa}, one thread, fastest of {RUNS} runs; "
        "steps that run together count for the first of them"
    )
    return TimeShares(dict(shares), source)
