"""``signbit.export``: the file, the report and the measured difference."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import signbit
from exporter.networks import lived_in, sign_conv
from signbit.exporter import ExportReport
from signbit.format import read, write_bytes
from signbit.methods import create_model
from signbit.runtime import Session, available_isas


def exported(path: Path) -> tuple[nn.Module, torch.Tensor, ExportReport]:
    torch.manual_seed(0)
    images = torch.randn(40, 1, 8, 8)
    model = lived_in(create_model("convnet-tiny", method="ste", num_classes=10, input_size=(1, 1, 8, 8)), images)
    metadata = {"labels": [str(digit) for digit in range(10)], "input": {"mean": [0.5], "std": [0.5], "mode": "L"}}
    report = signbit.export(model, images[:1], path, data=images[1:].numpy(), metadata=metadata)
    return model, images, report


def test_file_runs_without_the_model(tmp_path: Path) -> None:
    path = tmp_path / "model.sbn"
    model, images, report = exported(path)
    assert model.training
    with Session(path, isa="reference") as session:
        logits = session.run(images.numpy())
        assert session.metadata["labels"][3] == "3"
        assert session.metadata["producer"] == f"signbit {signbit.__version__}"
    with torch.no_grad():
        expected = model.eval()(images).numpy()
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.ptp(expected))
    assert report.bytes == path.stat().st_size
    assert write_bytes(read(path)) == path.read_bytes()


def test_report_accounts_for_every_layer(tmp_path: Path) -> None:
    model, _, report = exported(tmp_path / "model.sbn")
    rows = {row.name: row for row in report.layers}
    assert (report.packed_layers, report.float_layers) == (3, 2)
    assert report.float_bytes == 4 * sum(t.numel() for t in model.state_dict().values() if t.is_floating_point())
    assert report.verification.images == 40
    assert report.argmax_agreement == 1.0
    assert report.max_abs_diff < 1e-4 * report.verification.output_range
    assert rows["stem.0"].reason == "float: first layer, real-valued input"
    assert rows["stem.1"].reason == "folded into the weights of stem.0"
    assert rows["body.0"].reason == "packed: 288-bit filters, padding exact"
    assert rows["body.2"].reason == "folded into integer thresholds of body.4.input_pipeline"
    assert rows["head"].reason == "float: last layer, real-valued output"
    blobs = sum(row.bytes_after for row in report.layers)
    assert 0.5 * report.bytes < blobs < report.bytes
    for row in report.layers:
        assert row.name in str(report)
        assert row.reason in str(report)


def test_report_is_json(tmp_path: Path) -> None:
    record = exported(tmp_path / "model.sbn")[2].to_dict()
    assert {"file", "bytes", "packed_layers", "float_layers", "max_abs_diff", "argmax_agreement"} <= set(record)
    assert json.loads(json.dumps(record)) == record


def test_a_layer_that_is_never_called_is_reported(tmp_path: Path) -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = sign_conv(2, 3, 1), sign_conv(2, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.used(x)

    report = signbit.export(Half(), torch.randn(2, 2, 3, 3), tmp_path / "model.sbn")
    assert [(row.name, row.packed, row.bytes_after > 0) for row in report.layers] == [
        ("used", True, True),
        ("idle", False, False),
    ]
    assert report.layers[1].reason == "not used by the network"


def test_equal_models_give_equal_files(tmp_path: Path) -> None:
    exported(tmp_path / "a.sbn")
    exported(tmp_path / "b.sbn")
    assert (tmp_path / "a.sbn").read_bytes() == (tmp_path / "b.sbn").read_bytes()


@pytest.mark.parametrize("isa", available_isas())
@pytest.mark.parametrize(("name", "method"), [("resnet20", "ste"), ("convnet-tiny", "bop")])
def test_every_tier_agrees_with_torch(
    isa: str, name: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNBIT_ISA", isa)
    torch.manual_seed(1)
    images = torch.randn(4, 3, 16, 16)
    model = lived_in(create_model(name, method=method, num_classes=7, input_size=(1, 3, 16, 16)), images)
    check = signbit.export(model, images, tmp_path / "model.sbn").verification
    assert (check.engine, check.argmax_agreement, check.flipped_images) == (isa, 1.0, 0)
