"""Real tensor to alphabet, with a surrogate gradient; one binarizer per file."""

from signbit.binarizers.base import Binarizer, sign
from signbit.binarizers.clip import SignClip
from signbit.binarizers.identity import SignIdentity
from signbit.binarizers.polynomial import SignPolynomial
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

__all__ = ["BINARIZERS", "Binarizer", "SignClip", "SignIdentity", "SignPolynomial", "sign"]
