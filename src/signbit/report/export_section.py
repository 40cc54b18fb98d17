"""The part of a page that says what became of every layer in the exported file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from signbit.report.page import Section

HEADER = (
    "layer", "kind", "float32 bytes", "bytes in the file", "1-bit MACs", "float MACs", "time, %",
    "packed or float, and why",
)  # fmt: skip


def export_section(export: Mapping[str, Any]) -> Section:
    """Layers, figures of the whole, the measured difference from torch, hints.

    Parameters
    ----------
    export : what :meth:`signbit.ExportReport.to_dict` gives.
    """
    rows = [
        (row["name"], row["kind"], row["bytes_before"], row["bytes_after"], row["one_bit_macs"], row["float_macs"],
         "" if row["time_share"] is None else round(100 * row["time_share"], 1), row["reason"])
        for row in export["layers"]
    ]  # fmt: skip
    check = export["verification"]
    return Section(
        "The exported file, layer by layer",
        f"{export['bytes']:,} bytes in place of {export['float_bytes']:,} as float32. A packed layer stores one bit a "
        "weight; products and time are those of one image.",
        header=HEADER,
        rows=rows,
        notes=[
            f"Verified on {check['images']} image(s) with {check['engine']}: largest difference from torch "
            f"{check['max_abs_diff']:.3g} where outputs span {check['output_range']:.3g}, the same largest output on "
            f"{100 * check['argmax_agreement']:.2f} % of them.",
            f"Values of one image take at most {export['peak_bytes']:,} bytes at once.",
            f"Time: {export['time_source']}.",
            *(f"Hint: {hint}." for hint in export["hints"]),
        ],
    )
