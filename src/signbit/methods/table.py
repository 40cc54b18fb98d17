"""Every method by name."""

from __future__ import annotations

from signbit.methods.bop import bop
from signbit.methods.bop2nd import bop2nd
from signbit.methods.cyclebnn import cyclebnn
from signbit.methods.full_precision import full_precision
from signbit.methods.method import MethodBuilder
from signbit.methods.sd_bnn import sd_bnn
from signbit.methods.sfao import sfao
from signbit.methods.si_bnn import si_bnn
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
METHODS.add(
    "sfao", "latent weights rest, and layers freeze, once their signs no longer change", sfao,
    "Sign-flipping-aware optimizer with early stopping; the rules are our design",
)  # fmt: skip
METHODS.add(
    "si-bnn", "{0, 1} activations behind trained thresholds, scaled signs as weights", si_bnn,
    "Wang, He, Li, Zhao, Cheng, Sparsity-Inducing Binarized Neural Networks, 2020",
)  # fmt: skip
METHODS.add(
    "sd-bnn", "activations and weights that shift themselves before their signs are taken", sd_bnn,
    "Xue, Lu, Chang, Wei, Wei, Self-Distribution Binary Neural Networks, 2022",
)  # fmt: skip
METHODS.add(
    "cyclebnn", "signs behind a grid whose bits rise and fall in cycles, quantized gradients", cyclebnn,
    "Fontana, Lanzino, Diko, Foresti, Cinque, CycleBNN, 2024",
)  # fmt: skip
