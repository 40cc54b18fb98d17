"""Which methods go together: the one source of the decision, of its test and of the table in the docs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from signbit.methods.method import Slot


@dataclass(frozen=True)
class Pairing:
    """What becomes of two methods together.

    Attributes
    ----------
    methods : their names.
    works : whether they can be combined.
    note : how they share the work, or why they can't.
    owners : for every exclusive slot that both fill, whose content stays.
    """

    methods: tuple[str, str]
    works: bool
    note: str
    owners: Mapping[Slot, str] = field(default_factory=dict)


FLIPPING = ("bop", "bop2nd")
"""Methods that store -1/+1 and have no latent weights."""

LATENT = ("ste", "sfao", "si-bnn", "sd-bnn", "cyclebnn")


def _yes(a: str, b: str, note: str, **owners: str) -> Pairing:
    return Pairing((a, b), True, note, {Slot(slot): owner for slot, owner in owners.items()})


def _no(a: str, b: str, reason: str) -> Pairing:
    return Pairing((a, b), False, reason)


def _with_flipping(flips: str) -> list[Pairing]:
    mine = {"weights": flips, "scale": flips}
    return [
        _no("ste", flips, "both say how every weight is stored and updated"),
        _yes(flips, "sfao", "layers freeze and the run stops; the update rule stays, as a tensor has one owner"),
        _yes(flips, "si-bnn", "{0,1} activations of Si-BNN; weights are stored as -1/+1, without its scale", **mine),
        _yes(flips, "sd-bnn", "activation side of SD-BNN; its weight side needs latent weights: left out", **mine),
        _yes(flips, "cyclebnn", "activation side of CycleBNN; its weight side needs latent weights: left out", **mine),
    ]


PAIRINGS: tuple[Pairing, ...] = (
    *(_no("float", other, "a network of real weights has nothing to binarize") for other in (*FLIPPING, *LATENT)),
    *(pairing for flips in FLIPPING for pairing in _with_flipping(flips)),
    _no("bop", "bop2nd", "both say how every weight is updated, and a tensor has one owner"),
    _yes("ste", "sfao", "what sfao is by itself"),
    *(
        _no("ste", other, f"{other} replaces the parts that ste is made of; use {other} alone")
        for other in ("si-bnn", "sd-bnn", "cyclebnn")
    ),
    _yes("sfao", "si-bnn", "update rule, freezing and stopping of SFAO around the latent weights of Si-BNN"),
    _yes("sfao", "sd-bnn", "update rule, freezing and stopping of SFAO around the latent weights of SD-BNN"),
    _yes("sfao", "cyclebnn", "as with any latent weights; SFAO warms up again after each jump of precision"),
    _yes(
        "si-bnn", "sd-bnn", "self-distribution, then threshold; weights are self-distributed, then Si-BNN's",
        activations="si-bnn", weights="si-bnn", scale="si-bnn",
    ),
    _yes(
        "si-bnn", "cyclebnn", "threshold, then an unsigned grid, to {0,1}; weights are CycleBNN's",
        activations="si-bnn", weights="cyclebnn", scale="cyclebnn",
    ),
    _yes(
        "sd-bnn", "cyclebnn", "both sides self-distributed, then standardized, put on the grid and signed by CycleBNN",
        activations="cyclebnn", weights="cyclebnn", scale="cyclebnn",
    ),
)  # fmt: skip
"""Every two methods, once."""


def pairing(a: str, b: str) -> Pairing | None:
    """The entry of two methods in either order; None if nobody has looked at them."""
    return next((entry for entry in PAIRINGS if set(entry.methods) == {a, b}), None)
