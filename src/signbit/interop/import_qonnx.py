"""A QONNX file becomes a ``.sbn`` file: read, run by both sides, compared, and only then written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from signbit.errors import ConfigError, MissingDependencyError
from signbit.files import write_bytes_atomically
from signbit.format import Bits, write_bytes
from signbit.interop.engines import FloatArray, run_qonnx
from signbit.interop.exchange import argmax_agreement
from signbit.interop.read_call import BITS_AS_NUMBERS
from signbit.interop.read_qonnx import from_qonnx
from signbit.runtime import Session

try:
    import onnx
    from google.protobuf.message import DecodeError
except ImportError:
    raise MissingDependencyError("onnx", "reading ONNX models", "interop") from None

IMAGES = 8

TIES = (
    "where scales are not 1, the model's own float sums miss a tie that integers meet: if it is untrained, or has no "
    "norm between a layer and a quantizer, use scales of 1; otherwise "
)


@dataclass(frozen=True)
class ImportReport:
    """What was written, and how far it is from the model.

    Attributes
    ----------
    file : path of the ``.sbn`` file.
    bytes : its size.
    packed_layers : layers whose weights are stored as bits.
    float_layers : the other layers with weights, by name.
    images : number of images compared.
    max_abs_diff : largest difference of an output from the ``qonnx`` package's.
    argmax_agreement : share of images with the same largest output.
    """

    file: str
    bytes: int
    packed_layers: int
    float_layers: tuple[str, ...]
    images: int
    max_abs_diff: float
    argmax_agreement: float

    def __str__(self) -> str:
        stay = f" ({', '.join(self.float_layers)})" if self.float_layers else ""
        return (
            f"{self.file}: {self.bytes:,} bytes; {self.packed_layers} layer(s) packed, {len(self.float_layers)} "
            f"float{stay}\ncompared with the qonnx package on {self.images} image(s): largest difference "
            f"{self.max_abs_diff:.3g}, argmax agreement {self.argmax_agreement:.2%}"
        )


def import_qonnx(source: Path, target: Path, images: FloatArray | None = None) -> ImportReport:
    """Write the QONNX model ``source`` as the ``.sbn`` file ``target``.

    Parameters
    ----------
    source : an ``.onnx`` file; see :func:`signbit.interop.read_qonnx.from_qonnx`.
    target : the file to write; replaced whole if it exists.
    images : in the shape of the model's input, on which both are compared; default eight of normal noise.

    Errors
    ------
    ConfigError : ``source`` is no ONNX file.
    MissingDependencyError : the ``qonnx`` package, which runs the model, is not installed.
    ExportError : something in it has no counterpart, or the two give other answers.
    """
    try:
        model = onnx.load(str(source))
        onnx.checker.check_model(model)
    except (OSError, DecodeError, ValueError, onnx.checker.ValidationError) as error:
        raise ConfigError(f"{source} cannot be read as an ONNX model: {error}") from error
    graph = from_qonnx(model)
    content = write_bytes(graph)
    height, width, channels = graph.values[graph.input].shape
    if images is None:
        noise = np.random.default_rng(0).standard_normal((IMAGES, channels, height, width)).astype(np.float32)
        (first,) = [value for value in model.graph.input if value.name not in _constants(model)]
        images = noise.reshape(noise.shape[: len(first.type.tensor_type.shape.dim)])
    with Session(content) as session:
        ours = session.run(images.reshape(-1, channels, height, width)).reshape(len(images), -1)
    engine = run_qonnx(source)
    theirs = np.concatenate([engine(image[None]).reshape(1, -1) for image in images])
    agreement = argmax_agreement(ours, theirs, "the qonnx package", TIES)
    write_bytes_atomically(target, content)
    weighted = [node for node in graph.nodes if "weight" in node.blobs and node.note != BITS_AS_NUMBERS]
    floats = tuple(node.name for node in weighted if not isinstance(node.blobs["weight"], Bits))
    difference = float(np.abs(ours - theirs).max())
    packed = len(weighted) - len(floats)
    return ImportReport(str(target), len(content), packed, floats, len(images), difference, agreement)


def _constants(model: onnx.ModelProto) -> set[str]:
    return {initializer.name for initializer in model.graph.initializer}
