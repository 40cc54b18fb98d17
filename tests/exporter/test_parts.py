"""Parts of binary layers: thresholds and scales fold, whatever the layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from exporter.networks import assert_equal_networks, lived_in
from signbit.binarizers import SignClip, SignScaleFree, StepWindow
from signbit.layers import BinaryConv2d, BinaryLinear
from signbit.transforms import ChannelThreshold, MeanAbsScale


@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_thresholds_and_filter_scales_fold(rho: float) -> None:
    def parts(channels: int) -> dict[str, nn.Module]:
        threshold = ChannelThreshold(channels)
        with torch.no_grad():
            threshold.threshold.uniform_(-1, 1)
            threshold.slope.uniform_(-0.5, 2)  # some under their bound
        return {
            "input_pipeline": nn.Sequential(threshold, StepWindow(rho)),
            "weight_pipeline": nn.Sequential(SignScaleFree()),
            "filter_scale": MeanAbsScale(),
        }

    torch.manual_seed(5)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8),
        BinaryConv2d(8, 6, 3, padding=1, **parts(8)), nn.MaxPool2d(2), nn.BatchNorm2d(6),  # type: ignore[arg-type]
        BinaryConv2d(6, 5, 3, padding=1, **parts(6)), nn.MaxPool2d(3), nn.BatchNorm2d(5), nn.Flatten(),  # type: ignore[arg-type]
        BinaryLinear(5, 7, **parts(5)), nn.BatchNorm1d(7),  # type: ignore[arg-type]
    )  # fmt: skip
    images = torch.randn(9, 3, 8, 8)
    graph = assert_equal_networks(lived_in(model, images), images)
    operations = [node.op for node in graph.nodes]
    assert operations.count("binary_conv2d") == operations.count("threshold") == 3


def test_parts_of_a_linear_layer_see_images_of_one_pixel() -> None:
    linear = BinaryLinear(
        5, 4, input_pipeline=nn.Sequential(nn.BatchNorm2d(5), SignClip()),
        weight_pipeline=nn.Sequential(SignClip()), output_scale=nn.BatchNorm2d(4),
    )  # fmt: skip
    model, images = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear), torch.randn(6, 5, 3, 3)
    assert_equal_networks(lived_in(model, images), images)
