"""Networks that the library has never seen: the file, the reference and torch agree on each of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import signbit
from exporter.networks import assert_native_sums, assert_same_numbers, lived_in
from exporter.user_networks import Dense, Functional, Gated
from signbit.errors import ExportError
from signbit.exporter import lower_model
from signbit.format import read
from signbit.runtime import Session, available_isas


@pytest.mark.parametrize(
    ("network", "size", "packed"),
    [(Dense, (3, 13, 12), 4), (Functional, (2, 18, 19), 2), (Gated, (3, 15, 14), 2)],
    ids=["dense", "functional", "gated"],
)
def test_networks_of_users(network: type[nn.Module], size: tuple[int, int, int], packed: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = torch.randn(5, *size)
    model = lived_in(network(), images)
    report = signbit.export(model, images, tmp_path / "model.sbn")
    check = report.verification
    assert (report.packed_layers, check.argmax_agreement, check.flipped_images) == (packed, 1.0, 0)
    graph = read(tmp_path / "model.sbn")
    values = assert_same_numbers(graph, model, images)
    expected = values[graph.output].reshape(len(images), -1)
    for isa in available_isas():
        if isa != "reference":
            assert assert_native_sums(graph, values, isa) == packed
        with Session(tmp_path / "model.sbn", isa=isa) as session:
            for batch in (1, 3, 5):  # the file leaves the number of images open
                ours = session.run(images[:batch].numpy()).reshape(batch, -1)
                np.testing.assert_allclose(ours, expected[:batch], rtol=0, atol=1e-4 * np.ptp(expected))


class Lines(nn.Module):
    """A network whose operations stand on lines that a test can name."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(2, 4, 1), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.conv(x))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: F.gelu(x), r"^gelu: operation 'gelu' has no counterpart .* use ReLU, PReLU"),
        (lambda x: x.softmax(1), r"^softmax: .* return the logits: softmax keeps their order"),
        (lambda x: x.transpose(2, 3), r"^transpose: .* keep the dimensions as \[N, C, H, W\]"),
        (lambda x: x[:, 0], r"^select: .* pick channels by a slice: x\[:, 1:3\]"),
        (lambda x: F.pad(x, (1, 1), value=1.0), r"pad with 1.0 cannot be exported; .* BinaryConv2d\(pad_value=...\)"),
        (lambda x: F.pad(x, (1, -1)), r"pad by \[1, -1\] cannot be exported; pick a part by slicing"),
        (lambda x: torch.cat([x, x], 2), "along dimension 2; only channels can be joined"),
        (lambda x: x[:, :2].relu_() + x[:, 2:], "writes into a tensor that is read again under another name"),
        (lambda x: (x.flatten(1).relu_()[:, :4, None, None] + x), "writes into a tensor that is read again"),
        (lambda x: F.dropout(x, training=False).relu_().mean((2, 3)) + x.view(-1, 4, 16)[..., 0], "is read again"),
        (lambda x: x.double(), "gives float64; the file computes in float32"),
        (lambda x: F.batch_norm(x, None, None, training=True), "without running statistics depends on the batch"),
        (lambda x: F.dropout(x, 0.5), "drops numbers at random in evaluation"),
        (lambda x: F.conv2d(x, x.mean((0, 2, 3)).view(1, 4, 1, 1)), r"a mean over \(0, 2, 3\)"),
    ],
)  # fmt: skip
def test_refusals_name_the_line_of_the_user(function: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(ExportError, match=message) as caught:
        lower_model(Lines(function), torch.zeros(1, 2, 4, 4))
    line = Lines.forward.__code__.co_firstlineno + 1
    assert str(caught.value).endswith(f"test_user_networks.py, line {line}: return self.function(self.conv(x)))")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x[1:], "one number of images only"),
        (lambda x: x if x.sum() > 0 else -x, "control flow depends on the values of a tensor"),
        (lambda x: x.view(2, -1), "one number of images only; take the batch from the tensor"),
        (lambda x: x + x[:, :, 1:], r"size of tensor a \(4\) must match the size of tensor b \(3\)"),
    ],
)
def test_what_cannot_be_followed_names_module_and_line(function: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(ExportError, match=rf"forward of (Lines|Sequential) cannot be followed.*{message}") as caught:
        lower_model(nn.Sequential(Lines(function)), torch.zeros(1, 2, 4, 4))
    assert len(str(caught.value).splitlines()) == 1
    if "number of images" not in message:  # torch finds that out at the end
        assert str(caught.value).startswith("0: forward of Lines")
        assert "test_user_networks.py, line " in str(caught.value)


def test_a_norm_of_constants_that_come_after_the_product() -> None:
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.gamma = nn.Conv2d(2, 3, 1), nn.Parameter(torch.randn(3))

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return F.batch_norm(x, torch.zeros(3), torch.ones(3), self.gamma.abs() + 1)

    images, model = torch.randn(2, 2, 4, 4), Net()
    assert_same_numbers(lower_model(model, images), model, images)


def test_autocast_is_refused() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.conv(x)

    with pytest.raises(ExportError, match="export without autocast: the file computes in float32"):
        lower_model(Half(), torch.zeros(1, 2, 4, 4))


def test_a_trace_leaves_the_model_as_it_was() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return x * self.calls

    model = nn.Sequential(Counts(), Dense())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    forwards = [vars(module).copy() for module in model.modules()]
    lower_model(model, torch.zeros(1, 3, 13, 12))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [list(vars(module)) for module in model.modules()] == [list(values) for values in forwards]


def test_the_example_in_the_document_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "export.md", "exec"), {})
    assert (tmp_path / "net.sbn").is_file()
    assert "packed: 288-bit filters, padding exact" in capsys.readouterr().out


def test_the_document_names_what_is_refused() -> None:
    """The message that it shows is the one that people get."""
    text = (Path(__file__).parents[2] / "docs" / "export.md").read_text()

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.GELU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(x)

    with pytest.raises(ExportError) as caught:
        lower_model(Net(), torch.zeros(1, 2, 4, 4))
    start, _, end = str(caught.value).partition("known: ")
    assert f"{start}known: ..." in text
    assert end.endswith("return self.act(x))")
    assert "return self.act(x))" in text
