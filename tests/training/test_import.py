"""``signbit import``: a network of another project, with its names, becomes a run of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional as F

import signbit
from signbit.cli import main
from signbit.data import load
from signbit.errors import ConfigError
from signbit.format import Bits, read
from signbit.training import KeyMap, load_run

# The usual names of a ResNet-20, as many projects have them. Nothing of signbit in it.


class TheirConv(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        signs = torch.where(x >= 0, 1.0, -1.0)
        return F.conv2d(signs, torch.where(self.weight >= 0, 1.0, -1.0), None, self.stride, self.padding)


class TheirBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = TheirConv(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = TheirConv(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.added = outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        kept = x
        if self.added:
            kept = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added // 2, self.added - self.added // 2))
        h = F.hardtanh(self.bn1(self.conv1(x)) + kept)
        return F.hardtanh(self.bn2(self.conv2(h)) + h)


class TheirResNet20(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self.stage(16, 16, 1)
        self.layer2 = self.stage(16, 32, 2)
        self.layer3 = self.stage(32, 64, 2)
        self.bn2 = nn.BatchNorm1d(64)
        self.linear = nn.Linear(64, 10)

    @staticmethod
    def stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
        return nn.Sequential(
            TheirBlock(inputs, outputs, stride), TheirBlock(outputs, outputs, 1), TheirBlock(outputs, outputs, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.hardtanh(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(self.bn2(x.mean((2, 3))))


MAP: dict[str, Any] = {
    "rename": {
        r"^module\.": "",
        r"^conv1\.": "stem.0.",
        r"^bn1\.": "stem.1.",
        r"^layer1\.": "blocks.",
        **{rf"^layer2\.{i}\.": f"blocks.{3 + i}." for i in range(3)},
        **{rf"^layer3\.{i}\.": f"blocks.{6 + i}." for i in range(3)},
        r"^bn2\.": "norm.",
        r"^linear\.": "head.",
    }
}


@pytest.fixture(scope="module")
def theirs() -> TheirResNet20:
    """Norms with statistics of their own, scales of both signs."""
    torch.manual_seed(5)
    network = TheirResNet20()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.weight.normal_(0, 1)
                module.bias.normal_(0, 0.2)
                module.running_mean.normal_(0, 1)
                module.running_var.uniform_(0.5, 20)
    return network.eval()


def command(folder: Path, key_map: dict[str, Any], *more: str, method: str = "ste") -> list[str]:
    (folder / "map.yaml").write_text(yaml.safe_dump(key_map, sort_keys=False))
    wanted = ["--map", str(folder / "map.yaml"), "--model", "resnet20", "--method", method, "--data", "digits"]
    return ["import", str(folder / "weights.pt"), *wanted, "--out", str(folder / "run"), *more]


def test_a_resnet_with_the_usual_names(
    theirs: TheirResNet20, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their logits are those of our network, of the run in torch, and of the exported file in the native runtime."""
    state = {f"module.{name}": tensor for name, tensor in theirs.state_dict().items()}
    torch.save({"epoch": 3, "model": {"ema": state}, "best": 0.5}, tmp_path / "weights.pt")
    assert main([*command(tmp_path, {"state": "model.ema", **MAP}), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["tensors"], result["kept"]) == (len(state), 0)

    digits = load("digits")
    images = signbit.data.normalize(digits.test.images, digits.mean, digits.std)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(images)).numpy()
        ours = load_run(tmp_path / "run")[0](torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)

    assert main(["eval", str(tmp_path / "run"), "--data", "digits", "--json"]) == 0
    correct = json.loads(capsys.readouterr().out.splitlines()[-1])["correct"]
    assert correct == int((expected.argmax(1) == digits.test.labels).sum())

    assert main(["export", str(tmp_path / "run"), "-o", str(tmp_path / "model.sbn"), "--json"]) == 0
    with signbit.runtime.Session(tmp_path / "model.sbn") as session:
        native = session.run(images)
    assert (native.argmax(1) == expected.argmax(1)).mean() > 0.99
    assert sum(isinstance(node.blobs.get("weight"), Bits) for node in read(tmp_path / "model.sbn").nodes) == 18

    capsys.readouterr()
    assert main(["train", "--resume", str(tmp_path / "run")]) == 2
    assert "imported" in capsys.readouterr().err


def test_signs_bits_and_transposed_axes(theirs: TheirResNet20, tmp_path: Path) -> None:
    """Weights as bits with the filters last, for a method that stores signs."""
    convolutions = r"blocks\.\d\.conv\d\.weight"
    state = {
        name: (tensor >= 0).permute(2, 3, 1, 0) if "layer" in name and "conv" in name else tensor
        for name, tensor in theirs.state_dict().items()
    }
    torch.save(state, tmp_path / "weights.pt")
    rule = {"transpose": [3, 2, 0, 1], "values": "bits"}
    assert main(command(tmp_path, {**MAP, "tensors": {convolutions: rule}}, method="bop")) == 0
    weight = load_run(tmp_path / "run")[0].state_dict()["blocks.0.conv1.weight"]
    torch.testing.assert_close(weight, torch.where(theirs.layer1[0].conv1.weight >= 0, 1.0, -1.0))


def error_of(capsys: pytest.CaptureFixture[str], argv: list[str]) -> str:
    capsys.readouterr()
    assert main(argv) == 2
    message = capsys.readouterr().err
    assert len(message.splitlines()) <= 2
    return message


def test_the_kind_of_file_decides_what_is_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights, model, out = (str(tmp_path / name) for name in ("weights.pt", "model.onnx", "out"))
    message = error_of(capsys, ["import", weights, "--model", "resnet20", "--out", out])
    assert (
        "weights.pt is taken for a state dict, which also needs --map, --method, --data; an ONNX model ends in .onnx"
        in message
    )
    message = error_of(capsys, ["import", model, "--map", "map.yaml", "--method-option", "a=1", "--out", out])
    assert "--map, --method-option: for a state dict; " in message
    assert "model.onnx is taken for an ONNX model, which needs --out alone" in message
    assert not list(tmp_path.iterdir())


def test_keys_that_do_not_fit_are_named_together(
    theirs: TheirResNet20, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = theirs.state_dict()
    state["extra.weight"] = torch.zeros(2)
    state["linear.weight"] = torch.zeros(7, 64)
    torch.save(state, tmp_path / "weights.pt")
    wrong = {"rename": {**MAP["rename"], r"^bn2\.": "norms."}}
    message = error_of(capsys, command(tmp_path, wrong))
    assert "6 have no place in the network: bn2.weight -> norms.weight (close: norm.weight), bn2.bias" in message
    assert "and 3 more" in message
    assert "5 of the network get no value: norm.weight (close: norms.weight)" in message
    assert "1 have another shape: linear.weight is [7, 64], head.weight [10, 64]" in message
    assert "rename, ignore, keep" in message
    assert not (tmp_path / "run").exists()

    state["linear.weight"] = theirs.linear.weight.detach()
    torch.save(state, tmp_path / "weights.pt")
    assert main(command(tmp_path, {**wrong, "ignore": ["norms.*", r"extra\..*"], "keep": [r"norm\..*"]})) == 0


def test_two_keys_for_one_place() -> None:
    network = nn.Linear(2, 1)
    with pytest.raises(ConfigError, match=r"claim a place together: b and weight for weight"):
        KeyMap.from_dict({"rename": {"^b$": "weight"}}).apply(
            {"weight": torch.zeros(1, 2), "b": torch.zeros(1, 2), "bias": torch.zeros(1)}, network
        )


def test_values_that_do_not_fit(theirs: TheirResNet20, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    convolutions = r"blocks\.\d\.conv\d\.weight"
    assert "values: signs" in error_of(capsys, command(tmp_path, MAP, method="bop"))
    bits = {**MAP, "tensors": {convolutions: {"values": "bits"}}}
    assert "other values than the bits" in error_of(capsys, command(tmp_path, bits))
    axes = {**MAP, "tensors": {convolutions: {"transpose": [0, 1]}}}
    assert "name each axis once" in error_of(capsys, command(tmp_path, axes))
    state = theirs.state_dict()
    state["conv1.weight"] = state["conv1.weight"] * float("nan")
    torch.save(state, tmp_path / "weights.pt")
    assert "conv1.weight holds values that are no finite numbers" in error_of(capsys, command(tmp_path, MAP))
    signs = {**MAP, "tensors": {convolutions: {"values": "signs"}}}
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    assert "cannot write /proc/signbit: " in error_of(capsys, [*command(tmp_path, MAP), "--out", "/proc/signbit"])
    assert main(command(tmp_path, signs, method="bop")) == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"renam": {}}, "did you mean rename"),
        ([], "a key map holds state, rename, ignore, keep, tensors"),
        ({"rename": {"(": ""}}, "not a regular expression"),
        ({"rename": {"a": r"\1"}}, "cannot replace"),
        ({"rename": ["a"]}, "'regular expression: ...' lines"),
        ({"ignore": "a"}, "a list of regular expressions"),
        ({"tensors": {"a": {"transpos": [0]}}}, "did you mean transpose"),
        ({"tensors": {"a": {"transpose": "01"}}}, "a list of axes"),
        ({"tensors": {"a": {"values": "sign"}}}, "did you mean signs"),
        ({"tensors": {"a": None}}, "needs transpose or values"),
        ({"state": 3}, "the name of an entry"),
    ],
)
def test_wrong_maps(content: Any, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        KeyMap.from_dict(content)
    assert says in str(caught.value)


def test_the_map_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "import.md").read_text()
    rules = KeyMap.from_dict(yaml.safe_load(page.split("```yaml\n")[1].split("```")[0]))
    assert rules.renamed("module.layer1.2.conv1.weight") == "blocks.2.conv1.weight"
    assert rules.state == "state_dict"
    assert rules.ignore
    assert rules.keep
    assert [rule.values for rule in rules.tensors.values()] == ["bits"]


class Trap:
    """Unpickling it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_files_that_are_no_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = command(tmp_path, MAP)
    assert "there is no file" in error_of(capsys, argv)
    (tmp_path / "weights.pt").write_bytes(b"not a checkpoint")
    assert "as tensors" in error_of(capsys, argv)
    torch.save({"conv1.weight": Trap(tmp_path / "sprung")}, tmp_path / "weights.pt")
    assert "as tensors" in error_of(capsys, argv)
    assert not (tmp_path / "sprung").exists()
    torch.save({"epoch": 3, "net": {"w": torch.zeros(1)}}, tmp_path / "weights.pt")
    assert "it holds epoch, net" in error_of(capsys, argv)
    assert "has no entry 'ema'" in error_of(capsys, command(tmp_path, {**MAP, "state": "ema"}))
    assert not (tmp_path / "run").exists()
