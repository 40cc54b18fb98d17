"""Real tensor to alphabet, with a surrogate gradient; one binarizer per file."""

from signbit.binarizers.base import Binarizer, sign, step
from signbit.binarizers.clip import SignClip
from signbit.binarizers.ede import SignEDE, ede_sharpness, sharpen_all
from signbit.binarizers.identity import SignIdentity
from signbit.binarizers.polynomial import SignPolynomial
from signbit.binarizers.scale_free import SignScaleFree
from signbit.binarizers.window import StepWindow
from signbit.registry import Registry

BINARIZERS: Registry[type[Binarizer]] = Registry("binarizer")
BINARIZERS.add(
    "ste-clip", "sign; the gradient passes inside [-1, 1]", SignClip,
    "Courbariaux, Hubara, Soudry, El-Yaniv, Bengio, Binarized Neural Networks, 2016",
)  # fmt: skip
BINARIZERS.add(
    "ste-identity", "sign; the gradient passes everywhere", SignIdentity,
    "Bengio, Leonard, Courville, Estimating or Propagating Gradients Through Stochastic Neurons, 2013",
)  # fmt: skip
BINARIZERS.add(
    "ste-polynomial", "sign; the gradient is a triangle over [-1, 1]", SignPolynomial,
    "Liu, Wu, Luo, Yang, Liu, Cheng, Bi-Real Net, 2018",
)  # fmt: skip
BINARIZERS.add(
    "ede", "sign; the gradient sharpens from the identity to a spike over the run", SignEDE,
    "Qin, Gong, Liu, Shen, Wei, Yu, Song, Forward and Backward Information Retention (IR-Net), 2020",
)  # fmt: skip
BINARIZERS.add(
    "window", "step to {0, 1}; the gradient passes inside (-rho, 1)", StepWindow,
    "Wang, He, Li, Zhao, Cheng, Sparsity-Inducing Binarized Neural Networks, 2020",
)  # fmt: skip
BINARIZERS.add(
    "scale-free", "sign of scaled filters; the gradient does not see the scale", SignScaleFree,
    "Wang, He, Li, Zhao, Cheng, Sparsity-Inducing Binarized Neural Networks, 2020",
)  # fmt: skip

__all__ = [
    "BINARIZERS",
    "Binarizer",
    "SignClip",
    "SignEDE",
    "SignIdentity",
    "SignPolynomial",
    "SignScaleFree",
    "StepWindow",
    "ede_sharpness",
    "sharpen_all",
    "sign",
    "step",
]
