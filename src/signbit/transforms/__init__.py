"""What happens to a tensor before it is binarized; each transform says whether it folds at export."""

from signbit.registry import Registry
from signbit.transforms.base import Transform
from signbit.transforms.channel_scale import ChannelScale
from signbit.transforms.precision import Precision
from signbit.transforms.quantize import QuantizeActivation, QuantizeWeight
from signbit.transforms.quantize_gradient import QuantizeGradient
from signbit.transforms.standardize import StandardizeActivation, StandardizeWeight

CYCLEBNN = "Fontana, Lanzino, Diko, Foresti, Cinque, CycleBNN, 2024"

TRANSFORMS: Registry[type[Transform]] = Registry("transform")
TRANSFORMS.add("standardize-weight", "a filter divided by its deviation", StandardizeWeight, CYCLEBNN)
TRANSFORMS.add("standardize-activation", "a sample divided by its deviation", StandardizeActivation, CYCLEBNN)
TRANSFORMS.add("quantize-weight", "a filter on a grid of so many bits", QuantizeWeight, CYCLEBNN)
TRANSFORMS.add("quantize-activation", "a batch on a grid of so many bits", QuantizeActivation, CYCLEBNN)
TRANSFORMS.add("quantize-gradient", "the gradient on a grid of so many bits", QuantizeGradient, CYCLEBNN)
TRANSFORMS.add("channel-scale", "a trained factor per output channel", ChannelScale, CYCLEBNN)

__all__ = [
    "TRANSFORMS",
    "ChannelScale",
    "Precision",
    "QuantizeActivation",
    "QuantizeGradient",
    "QuantizeWeight",
    "StandardizeActivation",
    "StandardizeWeight",
    "Transform",
]
