"""One architecture per file, built from a layer factory; no method names inside.

A model is traceable with ``torch.fx``: its forward pass holds calls of modules, additions and ``flatten`` only.
"""

from collections.abc import Callable

from torch import nn

from signbit.models.alexnet import alexnet, xnornet
from signbit.models.binarynet import BinaryNet
from signbit.models.convnet_tiny import ConvnetTiny
from signbit.models.inputs import InputSize
from signbit.models.mlp import MLP
from signbit.models.resnet import birealnet18, birealnet34, resnet18, resnet20, resnet34, resnet50
from signbit.models.vgg_small import VGGSmall
from signbit.registry import Registry

HE = "He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, 2016"
LIU = "Liu, Wu, Luo, Yang, Liu, Cheng, Bi-Real Net, 2018"

MODELS: Registry[Callable[..., nn.Module]] = Registry("model")
MODELS.add("convnet-tiny", "three binary convolutions for digits; trains in seconds", ConvnetTiny)
MODELS.add(
    "mlp", "multilayer perceptron, binary from the first layer to the last", MLP,
    "Courbariaux, Hubara, Soudry, El-Yaniv, Bengio, Binarized Neural Networks, 2016",
)  # fmt: skip
MODELS.add(
    "binarynet", "VGG-like, binary from the first layer to the last, batch or layer norm", BinaryNet,
    "Courbariaux, Hubara, Soudry, El-Yaniv, Bengio, Binarized Neural Networks, 2016",
)  # fmt: skip
MODELS.add(
    "vgg-small", "six convolutions without shortcuts, float first convolution and last layer", VGGSmall,
    "Zhang, Yang, Ye, Hua, LQ-Nets, 2018",
)  # fmt: skip
MODELS.add("resnet20", "narrow ResNet for 32 x 32 images, a shortcut around every binary convolution", resnet20, HE)
MODELS.add("resnet18", "ResNet-18 for small and large images", resnet18, HE)
MODELS.add("resnet34", "ResNet-34 for small and large images", resnet34, HE)
MODELS.add("resnet50", "ResNet-50: bottlenecks with batch norms on both sides of each convolution", resnet50, HE)
MODELS.add(
    "alexnet", "AlexNet, binary from the first layer to the last, or with float ends", alexnet,
    "Helwegen, Widdicombe, Geiger, Liu, Cheng, Nusselder, Latent Weights Do Not Exist, 2019",
)  # fmt: skip
MODELS.add(
    "xnornet", "wider AlexNet with float first convolution and last layer", xnornet,
    "Rastegari, Ordonez, Redmon, Farhadi, XNOR-Net, 2016",
)  # fmt: skip
MODELS.add("birealnet18", "sixteen binary convolutions, a shortcut around each, nothing else", birealnet18, LIU)
MODELS.add("birealnet34", "thirty-two binary convolutions, a shortcut around each", birealnet34, LIU)

__all__ = ["MODELS", "InputSize"]
