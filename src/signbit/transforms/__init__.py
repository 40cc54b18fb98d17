"""What happens to a tensor before it is binarized; each transform says whether it folds at export."""

from signbit.registry import Registry
from signbit.transforms.base import Transform
from signbit.transforms.channel_scale import ChannelScale
from signbit.transforms.mean_abs_scale import MeanAbsScale
from signbit.transforms.precision import Precision
from signbit.transforms.quantize import QuantizeActivation, QuantizeWeight
from signbit.transforms.quantize_gradient import QuantizeGradient
from signbit.transforms.self_distribution import SelfDistribution
from signbit.transforms.standardize import StandardizeActivation, StandardizeWeight
from signbit.transforms.threshold import ChannelThreshold
from signbit.transforms.weight_self_distribution import WeightSelfDistribution

CYCLEBNN = "Fontana, Lanzino, Diko, Foresti, Cinque, CycleBNN, 2024"
SD_BNN = "Xue, Lu, Chang, Wei, Wei, Self-Distribution Binary Neural Networks, 2022"
SI_BNN = "Wang, He, Li, Zhao, Cheng, Sparsity-Inducing Binarized Neural Networks, 2020"

TRANSFORMS: Registry[type[Transform]] = Registry("transform")
TRANSFORMS.add("standardize-weight", "a filter divided by its deviation", StandardizeWeight, CYCLEBNN)
TRANSFORMS.add("standardize-activation", "a sample divided by its deviation", StandardizeActivation, CYCLEBNN)
TRANSFORMS.add("quantize-weight", "a filter on a grid of so many bits", QuantizeWeight, CYCLEBNN)
TRANSFORMS.add("quantize-activation", "a batch on a grid of so many bits", QuantizeActivation, CYCLEBNN)
TRANSFORMS.add("quantize-gradient", "the gradient on a grid of so many bits", QuantizeGradient, CYCLEBNN)
TRANSFORMS.add("channel-scale", "a trained factor per output channel", ChannelScale, CYCLEBNN)
TRANSFORMS.add("self-distribution", "a shift per sample and channel, from the sample", SelfDistribution, SD_BNN)
TRANSFORMS.add("weight-self-distribution", "a filter moved along its mean", WeightSelfDistribution, SD_BNN)
TRANSFORMS.add("channel-threshold", "a trained threshold and slope per channel", ChannelThreshold, SI_BNN)

__all__ = [
    "TRANSFORMS",
    "ChannelScale",
    "ChannelThreshold",
    "MeanAbsScale",
    "Precision",
    "QuantizeActivation",
    "QuantizeGradient",
    "QuantizeWeight",
    "SelfDistribution",
    "StandardizeActivation",
    "StandardizeWeight",
    "Transform",
    "WeightSelfDistribution",
]
