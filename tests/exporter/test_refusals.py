"""What cannot be exported is named, with what to use instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import signbit
from signbit.alphabet import Alphabet
from signbit.binarizers import Binarizer, SignClip
from signbit.errors import ExportError, SignbitError
from signbit.exporter import lower_model
from signbit.exporter.trace import trace
from signbit.exporter.verify import compare
from signbit.layers import BinaryConv2d
from signbit.roles import Role

IMAGES = torch.randn(2, 4, 6, 6)


class Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Quotient(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / (x + 1)


class Turned(Binarizer):
    """Says that it takes the sign, and takes the opposite."""

    alphabet = Alphabet.PM1

    def forward(self, x: Tensor) -> Tensor:
        return -torch.sign(x)


class Exponent(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(x)


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


class TwoInputs(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


def stranger() -> BinaryConv2d:
    layer = BinaryConv2d(4, 2, 1, input_pipeline=nn.Sequential(SignClip()), weight_role=Role.BINARY)
    layer.weight.data[0, 0] = 0.5
    return layer


def broken() -> nn.Conv2d:
    layer = nn.Conv2d(4, 2, 1)
    layer.weight.data[0, 0] = torch.nan
    return layer


REFUSED = [
    (
        nn.Sequential(nn.ReLU(), Branches()),
        r"^1: forward of Branches cannot be followed .*test_refusals.py, line \d+\): its control flow",
    ),
    (nn.Sequential(nn.Sequential(nn.Identity(), Exponent())), r"^0\.1\.exp: operation 'exp' has no counterpart"),
    (Quotient(), r"divides by a tensor; a .sbn file divides by constants alone"),
    (Pair(), r"returns tuple; one tensor"),
    (TwoInputs(), r"second input"),
    (nn.Sequential(nn.GELU()), r"^0: GELU has no counterpart .* Hardtanh"),
    (nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")), r"^0: Conv2d with padding_mode='reflect'"),
    (nn.Sequential(nn.BatchNorm2d(4, track_running_stats=False)), r"^0: a batch norm without running statistics"),
    (nn.Sequential(nn.MaxPool2d(4, ceil_mode=True)), r"^0: MaxPool2d with ceil_mode"),
    (nn.Sequential(nn.AdaptiveAvgPool2d(4)), r"^0: AdaptiveAvgPool2d from \(6, 6\) to \(4, 4\)"),
    (nn.Sequential(nn.Linear(6, 5)), r"^0: Linear on an image cannot be exported; flatten it first"),
    (nn.Sequential(nn.LayerNorm(6)), r"^0: LayerNorm over \[6\] of an image of 4 channels .* ChannelLayerNorm"),
    (nn.Sequential(nn.LayerNorm([4, 6, 6])), r"^0: LayerNorm over \[4, 6, 6\]"),
    (nn.Sequential(SignClip(), nn.Sigmoid()), r"^1: Sigmoid reads a binarized tensor"),
    (nn.Sequential(nn.Flatten()), r"ends in a flattened image"),
    (nn.Sequential(nn.Flatten(0)), r"^0: Flatten makes something that mixes the images"),
    (nn.Sequential(SignClip()), r"binarized tensor is read by something other"),
    (nn.Sequential(SignClip(), nn.AvgPool2d(2)), r"^1: AvgPool2d reads a binarized tensor"),
    (nn.Sequential(SignClip(), nn.Conv2d(4, 2, 1)), r"^1: a binarized tensor is read by something other"),
    (nn.Sequential(stranger()), r"^0: its binary weight holds 0.5; only -1 and \+1"),
    (nn.Sequential(broken()), r"^0: holds NaN or infinity"),
]


@pytest.mark.parametrize(("model", "message"), REFUSED, ids=[message[:30] for _, message in REFUSED])
def test_refusals(model: nn.Module, message: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=message) as caught:
        signbit.export(model, IMAGES, tmp_path / "model.sbn")
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "images", [torch.zeros(4, 6, 6), torch.zeros(0, 4, 6, 6), torch.zeros(1, 4, 6, 6, dtype=torch.uint8)]
)
def test_example_inputs_are_batches_of_float_images(images: Tensor, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"example_input is .* float images"):
        signbit.export(nn.Identity(), images, tmp_path / "model.sbn")


def test_data_and_example_have_one_shape(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"data holds images \[4, 5, 5\]"):
        signbit.export(nn.ReLU(), IMAGES, tmp_path / "model.sbn", data=np.zeros((1, 4, 5, 5), np.float32))


def test_a_folder_that_is_missing_is_an_error_and_stays_missing(tmp_path: Path) -> None:
    with pytest.raises(SignbitError, match="cannot write"):
        signbit.export(nn.ReLU(), IMAGES, tmp_path / "none" / "model.sbn")
    assert not list(tmp_path.iterdir())


def test_a_network_that_computes_something_else_is_not_written(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = BinaryConv2d(4, 8, 3, input_pipeline=nn.Sequential(Turned()), weight_role=Role.BINARY)
    target = tmp_path / "model.sbn"
    target.write_bytes(b"old")
    with pytest.raises(ExportError, match="not the torch model"):
        signbit.export(nn.Sequential(model), IMAGES, target)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["model.sbn"]


def test_unused_operations_are_left_out() -> None:
    class Idle(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            torch.exp(x)
            return x + 1

    assert [call.op for call in trace(Idle(), IMAGES.shape[1:]).calls] == ["add"]
    assert [node.op for node in lower_model(Idle(), IMAGES).nodes] == ["affine"]


def test_comparison_counts_flips_and_refuses_gross_differences() -> None:
    generator = np.random.default_rng(0)
    theirs = generator.normal(size=(200, 10))
    ours = theirs + 1e-7
    ours[3] += 1e-2
    result = compare(ours, theirs, "reference")
    assert (result.images, result.flipped_images, result.argmax_agreement) == (200, 1, 1.0)
    assert result.max_abs_diff == pytest.approx(1e-2, rel=1e-3)
    with pytest.raises(ExportError, match="not the torch model"):
        compare(theirs[::-1], theirs, "reference")
    swapped = theirs.copy()
    swapped[:3] = -swapped[:3]  # 3 of 200 answers differ: more than 1 %
    with pytest.raises(ExportError, match="3 of 200 images have another largest output"):
        compare(swapped, theirs, "reference")
    with pytest.raises(ExportError, match="torch model gives NaN"):
        compare(theirs, theirs * np.nan, "reference")
