"""Every method by name."""

from __future__ import annotations

from signbit.methods.bop import BOP
from signbit.methods.bop2nd import BOP2ND
from signbit.methods.full_precision import FLOAT
from signbit.methods.method import Method
from signbit.methods.ste import STE
from signbit.registry import Registry

METHODS: Registry[Method] = Registry("method")
METHODS.add(FLOAT.name, "the full-precision twin of every model", FLOAT)
METHODS.add(
    STE.name, "latent weights under Adam, clipped straight-through gradients", STE,
    "Courbariaux, Hubara, Soudry, El-Yaniv, Bengio, Binarized Neural Networks, 2016",
)  # fmt: skip
METHODS.add(
    BOP.name, "stored -1/+1 weights flipped where the mean gradient exceeds a threshold", BOP,
    "Helwegen, Widdicombe, Geiger, Liu, Cheng, Nusselder, Latent Weights Do Not Exist, 2019",
)  # fmt: skip
METHODS.add(
    BOP2ND.name, "Bop with the gradient normalised by its second moment", BOP2ND,
    "Suarez-Ramirez, Gonzalez-Mendoza, Chang, Ochoa-Ruiz, Duran-Vega, A Bop and Beyond, 2021",
)  # fmt: skip
