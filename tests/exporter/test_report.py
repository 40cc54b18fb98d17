"""The report: products, shares of time, hints, and the section in a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import signbit
from exporter.networks import lived_in, sign_conv
from signbit.exporter import ExportReport
from signbit.exporter.hints import hints
from signbit.exporter.report import LayerRow
from signbit.layers import BinaryConv2d
from signbit.report.export_section import export_section
from signbit.roles import Role
from signbit.runtime import available_isas


def reported(path: Path) -> ExportReport:
    torch.manual_seed(0)
    model = nn.Sequential(
        BinaryConv2d(3, 32, 3, padding=1, weight_role=Role.BINARY), nn.BatchNorm2d(32),
        sign_conv(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
        nn.Linear(1024, 100), nn.ReLU(), nn.Linear(100, 10),
    )  # fmt: skip
    images = torch.randn(4, 3, 16, 16)
    return signbit.export(lived_in(model, images), images, path)


def test_every_product_and_all_of_the_time_is_accounted_for(tmp_path: Path) -> None:
    report = reported(tmp_path / "model.sbn")
    rows = {row.name: row for row in report.layers}
    assert rows["2"].one_bit_macs == report.one_bit_macs == 16 * 16 * 64 * 32 * 9
    assert rows["0"].float_macs == 16 * 16 * 32 * 3 * 9
    assert report.float_macs == rows["0"].float_macs + 102_400 + 1000
    assert report.peak_bytes >= 4 * 16 * 16 * (32 + 64)
    native = available_isas() != ["reference"]
    if native:
        assert all(row.time_share is not None and row.time_share >= 0 for row in report.layers)
        assert 0 < sum(row.time_share or 0 for row in report.layers) <= 1 + 1e-9
    else:
        assert all(row.time_share is None for row in report.layers)
    assert ("one thread, fastest of" in report.time_source) == native
    assert report.time_source in str(report)


def test_a_parameter_that_is_only_computed_with_is_a_constant(tmp_path: Path) -> None:
    conv = torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 3, 1))
    images = torch.randn(2, 2, 4, 4)
    report = signbit.export(nn.Sequential(conv, nn.BatchNorm2d(3)), images, tmp_path / "model.sbn")
    rows = {row.name: row.reason for row in report.layers}
    assert rows["0.parametrizations.weight"] == "constant: computed at export"
    assert rows["1"] == "folded into the weights of 0"


def test_hints_say_what_would_help(tmp_path: Path) -> None:
    report = reported(tmp_path / "model.sbn")
    share = next(row for row in report.layers if row.name == "6").bytes_after / report.bytes
    assert f"{share:.0%} of the remaining bytes are 6: make it BinaryLinear" in report.hints
    assert "0 has binary weights but reads real numbers: give it an input_pipeline" in report.hints
    assert any("verified on 4 image(s) only" in hint for hint in report.hints)
    assert all(f"hint: {hint}" in str(report) for hint in report.hints)


ROW = LayerRow("conv", "Conv2d", True, False, "float: first layer, real-valued input", 400, 100, 0, 900, 0.5)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (ROW, ["50% of the time goes into conv, in float: make it BinaryConv2d without an input_pipeline (bits for"]),
        (replace(ROW, time_share=0.1), []),
        (replace(ROW, time_share=None), []),
        (replace(ROW, bytes_after=640, reason="float"), ["64% of the remaining bytes are conv: make it BinaryConv2d"]),
        (replace(ROW, reason="not used by the network", bytes_after=0), []),
        (replace(ROW, weighted=False, bytes_after=900), []),
        (replace(ROW, packed=True, reason="packed: 9-bit filters", bytes_after=900), []),
    ],
)
def test_when_a_layer_is_worth_a_hint(row: LayerRow, expected: list[str]) -> None:
    found = hints([row], 1000, images=200)
    assert len(found) == len(expected)
    assert all(hint.startswith(start) for hint, start in zip(found, expected, strict=True))


def test_section_of_a_page(tmp_path: Path) -> None:
    report = reported(tmp_path / "model.sbn")
    section = export_section(report.to_dict())
    assert len(section.rows) == len(report.layers)
    assert all(len(row) == len(section.header) for row in section.rows)
    assert {row[0]: row[3] for row in section.rows} == {row.name: row.bytes_after for row in report.layers}
    notes = " ".join(section.notes)
    assert f"Verified on {report.verification.images} image(s)" in notes
    assert all(hint in notes for hint in report.hints)
