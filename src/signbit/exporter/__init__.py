"""The bridge from torch to the ``.sbn`` file: trace -> fold -> lower -> verify."""

from signbit.exporter.bridge import export, lower_model
from signbit.exporter.report import ExportReport, LayerRow
from signbit.exporter.summarize import Summary, SummaryRow, summary
from signbit.exporter.verify import Verification

__all__ = ["ExportReport", "LayerRow", "Summary", "SummaryRow", "Verification", "export", "lower_model", "summary"]
