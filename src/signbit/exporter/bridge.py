"""``signbit.export``: the passes in order, and nothing on the disk before the last of them succeeded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

import signbit
from signbit.errors import ExportError
from signbit.exporter.passes import Explain, run_passes
from signbit.exporter.report import ExportReport, make_report
from signbit.exporter.timing import time_shares
from signbit.exporter.verify import verify
from signbit.files import write_bytes_atomically
from signbit.format import Graph, write_bytes


def export(
    model: nn.Module,
    example_input: Tensor,
    path: str | os.PathLike[str],
    *,
    data: Tensor | npt.NDArray[Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    explain: Explain | None = None,
) -> ExportReport:
    """Write ``model`` as a ``.sbn`` file that computes the same, and say what became of every layer.

    Binary layers are packed to one bit a weight; batch norms, scales and clamps before a sign become thresholds;
    what stays float is listed with the reason. The model is exported as in evaluation mode and left as it was.
    The file is run on the given images and compared with torch before it is written.

    Parameters
    ----------
    model : any module that ``torch.export`` can follow, made of signbit layers and torch's usual float operations;
        docs/export.md lists them.
    example_input : ``[N, C, H, W]`` float32, N >= 1, scaled as the network expects it.
    path : the file to write; replaced whole if it exists.
    data : more images ``[N, C, H, W]`` to verify on; default none.
    explain : called after each pass with its name and the network as it stands then, as text, also when a later one
        fails; default none. The passes are trace, fold, lower, plan, verify.
    metadata : what docs/format.md lists: ``labels``, ``input`` (``mean``, ``std``, ``mode``), ``model``, ``method``.

    Errors
    ------
    ExportError : a module or operation has no counterpart in the file, or the results differ beyond rounding.
    SignbitError : the file cannot be written.

    >>> import tempfile
    >>> from signbit.methods import create_model
    >>> model = create_model("convnet-tiny", method="ste", num_classes=10, input_size=(1, 1, 8, 8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = export(model, torch.zeros(1, 1, 8, 8), f"{folder}/model.sbn")
    >>> report.packed_layers, report.float_layers, report.layers[-1].reason
    (3, 2, 'float: last layer, real-valued output')
    """
    images = _images(example_input, "example_input")
    if data is not None:
        extra = _images(data, "data")
        if extra.shape[1:] != images.shape[1:]:
            raise ExportError(f"data holds images {list(extra.shape[1:])}, example_input {list(images.shape[1:])}")
        images = torch.cat([images, extra])
    metadata = {"producer": f"signbit {signbit.__version__}", **(metadata or {})}
    passes = run_passes(model, images.shape[1:], metadata, explain)
    content = write_bytes(passes.plan.graph)
    verification = verify(model, content, images)
    if explain is not None:
        explain("verify", "\n".join(verification.lines()))
    times = time_shares(content, np.ascontiguousarray(images[:1].numpy()))
    write_bytes_atomically(path, content)
    return make_report(path, len(content), model, passes, times, verification)


def lower_model(model: nn.Module, example_input: Tensor) -> Graph:
    """The graph that :func:`export` would write, neither verified nor written."""
    return run_passes(model, _images(example_input, "example_input").shape[1:]).plan.graph


def _images(images: Tensor | npt.NDArray[Any], what: str) -> Tensor:
    tensor = torch.as_tensor(images).detach().cpu()
    if tensor.dim() != 4 or len(tensor) < 1 or not tensor.is_floating_point():
        raise ExportError(
            f"{what} is {list(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}; "
            "a batch of float images [N, C, H, W], N >= 1, is needed"
        )
    if not np.isfinite(tensor.numpy()).all():
        raise ExportError(f"{what} holds NaN or infinity; give images as the network sees them in training")
    return tensor.float()
