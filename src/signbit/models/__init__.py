"""One architecture per file, built from a layer factory; no method names inside.

A model is traceable with ``torch.fx``: its forward pass holds calls of modules, additions and ``flatten`` only.
"""

from collections.abc import Callable

from torch import nn

from signbit.models.binarynet import BinaryNet
from signbit.models.convnet_tiny import ConvnetTiny
from signbit.models.inputs import InputSize
from signbit.models.resnet20 import ResNet20
from signbit.registry import Registry

MODELS: Registry[Callable[..., nn.Module]] = Registry("model")
MODELS.add("convnet-tiny", "three binary convolutions for digits; trains in seconds", ConvnetTiny)
MODELS.add(
    "resnet20", "ResNet-20 for 32 x 32 images with a shortcut around every binary convolution", ResNet20,
    "He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, 2016",
)  # fmt: skip
MODELS.add(
    "binarynet", "VGG-like, binary from the first layer to the last", BinaryNet,
    "Courbariaux, Hubara, Soudry, El-Yaniv, Bengio, Binarized Neural Networks, 2016",
)  # fmt: skip

__all__ = ["MODELS", "BinaryNet", "ConvnetTiny", "InputSize", "ResNet20"]
