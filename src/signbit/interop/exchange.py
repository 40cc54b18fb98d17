"""Files of other engines: written from a graph, run by their engine, compared, and only then put in place."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from signbit.errors import ConfigError, ExportError
from signbit.files import write_bytes_atomically
from signbit.format import Graph, write_bytes
from signbit.interop.engines import FloatArray, Runner, run_c, run_onnx, run_openvino, run_qonnx
from signbit.interop.npz import read_npz, write_npz
from signbit.registry import Registry
from signbit.runtime import Session

KEPT = 1 << 26
"""Numbers that an engine may keep at once: 256 MiB of float32."""

DISAGREEMENT = 0.01
"""Share of the images (and at least one) whose largest output may be another: a number may lie at its threshold."""


@dataclass(frozen=True)
class FileType:
    """One type of file.

    Attributes
    ----------
    suffix : what the file's name ends in.
    write : writes the network to a path; files that belong to it get the same name and other suffixes.
    run : the written file in its engine.
    batches : whether that takes several images at once.
    """

    suffix: str
    write: Callable[[Graph, Path], None]
    run: Callable[[Path], Runner]
    batches: bool = False


@dataclass(frozen=True)
class ExchangeReport:
    """What was written, and how far its engine's outputs are from the native runtime's.

    Attributes
    ----------
    files : what was written, the named file first.
    bytes : size of them all.
    images : number of images compared.
    max_abs_diff : largest difference of an output.
    argmax_agreement : share of images with the same largest output.
    """

    files: tuple[str, ...]
    bytes: int
    images: int
    max_abs_diff: float
    argmax_agreement: float

    def __str__(self) -> str:
        return (
            f"{' and '.join(self.files)}: {self.bytes:,} bytes; compared with the native runtime on {self.images} "
            f"image(s): largest difference {self.max_abs_diff:.3g}, argmax agreement {self.argmax_agreement:.2%}"
        )


def exchange(graph: Graph, path: Path, kind: str, images: FloatArray) -> ExchangeReport:
    """Write ``graph`` as a file of another engine.

    Parameters
    ----------
    graph : the network.
    path : the file to write; its name ends as the type demands.
    kind : a name of :data:`FILE_TYPES`.
    images : ``[N, C, H, W]``, N >= 1, on which the engine's outputs are compared with the native runtime's.

    Errors
    ------
    ConfigError : another suffix, or no such type.
    MissingDependencyError : the engine is not installed.
    ExportError : the engine gives other answers.
    """
    file_type = FILE_TYPES[kind].target
    if path.suffix != file_type.suffix:
        raise ConfigError(f"-o {path}: a file of type {kind} ends in {file_type.suffix}; rename it")
    with Session(write_bytes(graph)) as session:
        ours = session.run(images).reshape(len(images), -1)
    with TemporaryDirectory() as folder:
        temporary = Path(folder) / path.name
        file_type.write(graph, temporary)
        engine = file_type.run(temporary)
        batches = np.array_split(images, -(-len(images) // (_batch(graph) if file_type.batches else 1)))
        theirs = np.concatenate([engine(batch).reshape(len(batch), -1).copy() for batch in batches])
        agreement = argmax_agreement(ours, theirs, kind)
        written = {path.with_suffix(part.suffix): part.read_bytes() for part in Path(folder).iterdir()}
    # The named file comes last: while it is there, what belongs to it is complete.
    for target in sorted(written, key=lambda target: target == path):
        write_bytes_atomically(target, written[target])
    names = sorted(written, key=lambda target: target != path)
    difference = float(np.abs(ours - theirs).max())
    size = sum(map(len, written.values()))
    return ExchangeReport(tuple(map(str, names)), size, len(images), difference, agreement)


def argmax_agreement(ours: npt.NDArray[Any], theirs: npt.NDArray[Any], engine: str, hint: str = "") -> float:
    """Share of the images with the same largest output.

    Parameters
    ----------
    ours, theirs : ``[N, outputs]``, of the native runtime and of the other engine.
    engine : what it is called.
    hint : what may be the reason, for the error.

    Errors
    ------
    ExportError : they are outputs of different networks.
    """
    if ours.shape != theirs.shape:
        raise ExportError(f"{engine} gives {theirs.shape}, the native runtime {ours.shape}; nothing was written")
    agree = ours.argmax(axis=1) == theirs.argmax(axis=1)
    if (~agree).sum() > max(1.0, DISAGREEMENT * len(agree)):
        raise ExportError(
            f"{engine} gives another largest output than the native runtime for {(~agree).sum()} of {len(agree)} "
            f"images; nothing was written; {hint}please report the model as a bug"
        )
    return float(agree.mean())


def _batch(graph: Graph) -> int:
    """As many images as an engine may take that keeps every value of the network."""
    return max(1, KEPT // sum(math.prod(value.shape) for value in graph.values))


def _write_onnx(graph: Graph, path: Path) -> None:
    from signbit.interop.onnx_graph import to_onnx

    path.write_bytes(to_onnx(graph).SerializeToString())


def _write_qonnx(graph: Graph, path: Path) -> None:
    from signbit.interop.qonnx_graph import to_qonnx

    path.write_bytes(to_qonnx(graph).SerializeToString())


def _write_c(graph: Graph, path: Path) -> None:
    from signbit.interop.c_header import to_c

    path.write_text(to_c(graph), encoding="utf-8")


def _write_openvino(graph: Graph, path: Path) -> None:
    from openvino import save_model

    from signbit.interop.openvino_graph import to_openvino

    save_model(to_openvino(graph), path, compress_to_fp16=False)


def _run_npz(path: Path) -> Runner:
    return Session(write_bytes(read_npz(path)), isa="reference").run


FILE_TYPES: Registry[FileType] = Registry("file type")
FILE_TYPES.add(
    "onnx",
    "standard operators, any batch size; binary weights as -1/+1 floats",
    FileType(".onnx", _write_onnx, lambda path: run_onnx(path.read_bytes(), threads=1), batches=True),
)
FILE_TYPES.add(
    "qonnx",
    "ONNX with BipolarQuant and one-bit Quant nodes, as Brevitas and FINN use; one image, until ChangeBatchSize",
    FileType(".onnx", _write_qonnx, run_qonnx, batches=True),
)
FILE_TYPES.add(
    "c",
    "one C99 header with a plain predict(), no malloc, one image at a time; comparing it takes a C compiler",
    FileType(".h", _write_c, run_c),
)
FILE_TYPES.add(
    "openvino",
    "NAME.xml and NAME.bin, one image at a time; binary weights of one bit",
    FileType(".xml", _write_openvino, lambda path: run_openvino(path, threads=1)),
)
FILE_TYPES.add(
    "npz",
    "numpy arrays: bits, thresholds, and the graph as JSON; compared in numpy",
    FileType(".npz", write_npz, _run_npz),
)
