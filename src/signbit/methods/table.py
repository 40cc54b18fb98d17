"""Every method by name."""

from __future__ import annotations

from signbit.methods.bop import bop
from signbit.methods.bop2nd import bop2nd
from signbit.methods.full_precision import full_precision
from signbit.methods.method import MethodBuilder
from signbit.methods.ste import ste
from signbit.registry import Registry

METHODS: Registry[MethodBuilder] = Registry("method")
METHODS.add("float", "the full-precision twin of every model", full_precision)
METHODS.add(
    "ste", "latent weights under Adam, clipped straight-through gradients", ste,
    "Courbariaux, Hubara, Soudry, El-Yaniv, Bengio, Binarized Neural Networks, 2016",
)  # fmt: skip
METHODS.add(
    "bop", "stored -1/+1 weights flipped where the mean gradient exceeds a threshold", bop,
    "Helwegen, Widdicombe, Geiger, Liu, Cheng, Nusselder, Latent Weights Do Not Exist, 2019",
)  # fmt: skip
METHODS.add(
    "bop2nd", "Bop with the gradient normalised by its second moment", bop2nd,
    "Suarez-Ramirez, Gonzalez-Mendoza, Chang, Ochoa-Ruiz, Duran-Vega, A Bop and Beyond, 2021",
)  # fmt: skip
