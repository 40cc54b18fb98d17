"""QONNX models as ``.sbn`` graphs: what we wrote comes back, small models of each operator, and every refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks_at_hand import NETWORKS, network
from sbn_graphs import every_operation, random_graph, random_input

from signbit.cli import main
from signbit.errors import ConfigError, ExportError
from signbit.format import Bits, Graph, read
from signbit.runtime import reference

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'signbit[interop]'")
pytest.importorskip("qonnx", reason="qonnx is not installed: pip install 'signbit[interop]'")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from qonnx.core.modelwrapper import ModelWrapper  # noqa: E402
from qonnx.transformation.infer_shapes import InferShapes  # noqa: E402

from signbit.interop.engines import run_qonnx  # noqa: E402
from signbit.interop.import_qonnx import import_qonnx  # noqa: E402
from signbit.interop.qonnx_graph import DOMAIN, to_qonnx  # noqa: E402
from signbit.interop.read_qonnx import INSTEAD, RULES, from_qonnx  # noqa: E402

RNG = np.random.default_rng(0)


def node(kind: str, *inputs: str, out: str = "y", **attributes: Any) -> Any:
    domain = DOMAIN if kind in ("BipolarQuant", "Quant") else ""
    return helper.make_node(kind, list(inputs), [out], name=f"the_{kind}", domain=domain, **attributes)


def model(nodes: list[Any], shape: list[int], opset: int = 17, **constants: Any) -> Any:
    """From ``x`` of a shape to ``y``; constants are float32 unless they are integers."""
    arrays = {name: np.asarray(value) for name, value in constants.items()}
    arrays = {name: a.astype(np.float32) if a.dtype.kind == "f" else a for name, a in arrays.items()}
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def blobs(graph: Graph) -> list[tuple[str, bytes]]:
    """What the packed layers hold."""
    kept = [n for n in graph.nodes if n.op == "binary_conv2d"]
    return [(n.op, n.blobs["weight"].octets.tobytes()) for n in kept]  # type: ignore[union-attr]


def test_what_we_wrote_comes_back() -> None:
    """Folding moves float work about, but the network stays the same and each packed layer keeps its bits."""
    for seed, graph in enumerate([every_operation(), *(random_graph(seed) for seed in range(100))]):
        again, x = from_qonnx(to_qonnx(graph)), random_input(graph, seed, count=3)
        expected = reference.run(graph, x)
        scale = np.abs(expected).max(initial=1.0)
        found = reference.run(again, x).reshape(expected.shape)
        np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-5, err_msg=f"seed {seed}")
        assert again.metadata.items() >= {k: v for k, v in graph.metadata.items() if k in ("labels", "input")}.items()


@pytest.mark.parametrize(("name", "method", "size"), NETWORKS)
def test_whole_networks_come_back(name: str, method: str, size: int) -> None:
    graph, images = network(name, method, size)
    again = from_qonnx(to_qonnx(graph))
    assert blobs(again) == blobs(graph)
    expected, found = reference.run(graph, images), reference.run(again, images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max(initial=1.0))


SIGNS, STEPS = node("BipolarQuant", "x", "one", out="b"), {"signed": 0, "narrow": 0}
FILTERS = np.where(RNG.integers(0, 2, (6, 4, 3, 3)), 1.0, -1.0)
FLOATS = RNG.standard_normal((6, 4, 3, 3))
ROW = RNG.standard_normal((4, 1, 1))
MATRIX = RNG.standard_normal((5, 100))

WORKING: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "scaled signs": ([SIGNS, node("Conv", "b", "w")], {"one": 0.3, "w": FILTERS * RNG.random((6, 1, 1, 1))}),
    "steps, rounded": (
        [node("Quant", "x", "s", "z", "n", out="b", **STEPS), node("Conv", "b", "w", "c")],
        {"s": 0.7, "z": 0.0, "n": 1.0, "w": FILTERS, "c": np.arange(6.0)},
    ),
    "signed quantizer of one bit": (
        [node("Quant", "x", "s", "z", "n", out="b", signed=1, narrow=0), node("Conv", "b", "w")],
        {"s": 0.5, "z": 0.0, "n": 1.0, "w": FILTERS},
    ),
    "quantized weights": (
        [node("Quant", "w", "s", "z", "n", out="q", signed=1, narrow=1), node("Conv", "x", "q")],
        {"s": 0.1, "z": 0.0, "n": 4.0, "w": FLOATS},
    ),
    "float weights on signs": ([SIGNS, node("Conv", "b", "w", pads=[1, 0, 1, 0])], {"one": 2.0, "w": FLOATS}),
    "mean of signs": ([SIGNS, node("GlobalAveragePool", "b")], {"one": 0.5}),
    "pool of signs": (
        [SIGNS, node("MaxPool", "b", out="p", kernel_shape=[2, 2]), node("Conv", "p", "w", group=2)],
        {"one": 1.0, "w": FILTERS[:, :2]},
    ),
    "pad of signs": (
        [SIGNS, node("Pad", "b", "n", "v", out="p"), node("Conv", "p", "w", strides=[2, 1])],
        {"one": 1.0, "n": np.array([0, 0, 1, 2, 0, 0, 0, 1]), "v": -1.0, "w": FILTERS},
    ),
    "scaled after": (
        [SIGNS, node("Mul", "b", "s", out="m"), node("Conv", "m", "w")],
        {"one": 1.0, "s": 0.25, "w": FILTERS},
    ),
    "signs of signs": (
        [SIGNS, node("BipolarQuant", "b", "two", out="d"), node("Conv", "d", "w")],
        {"one": 1.0, "two": 2.0, "w": FILTERS},
    ),
    "same padding": ([node("Conv", "x", "w", auto_pad="SAME_LOWER", strides=[2, 2])], {"w": FLOATS}),
    "arithmetic": (
        [node("Sub", "r", "x", out="a"), node("Div", "a", "r", out="d"), node("Sub", "d", "r", out="e"),
         node("Sub", "e", "x")],
        {"r": ROW},
    ),
    "an image plus a vector": ([node("GlobalMaxPool", "x", out="m"), node("Add", "m", "x")], {}),
    "old clip": ([node("Clip", "x", min=-0.5, max=0.25)], {}),
    "leaky": ([node("LeakyRelu", "x", alpha=0.2, out="l"), node("Relu", "l")], {}),
    "matrices": (
        [node("Flatten", "x", out="f"), node("Transpose", "w", out="t", perm=[1, 0]), node("MatMul", "f", "t", out="m"),
         node("Gemm", "m", "v", "c", alpha=0.5, beta=2.0)],
        {"w": MATRIX, "v": RNG.standard_normal((5, 3)), "c": np.arange(3.0)},
    ),
    "flat signs": (
        [SIGNS, node("Reshape", "b", "n", out="f"), node("Gemm", "f", "w", transB=1)],
        {"one": 1.0, "n": np.array([1, -1]), "w": np.where(MATRIX > 0, 0.5, -0.5)},
    ),
    "mean of an image": ([node("ReduceMean", "x", axes=[-1, -2], keepdims=0)], {}),
    "an image of one pixel": (
        [node("ReduceMean", "x", axes=[2, 3], out="m"), node("Squeeze", "m", "a", out="s"),
         node("Dropout", "s", out="d"), node("Unsqueeze", "d", "a", out="u"),
         node("Reshape", "u", "n", out="v"), node("Sigmoid", "v")],
        {"a": np.array([2, 3]), "n": np.array([0, 4])},
    ),
    "square": ([node("Mul", "x", "x")], {}),
    "gate": (
        [node("GlobalAveragePool", "x", out="m"), node("HardSigmoid", "m", out="h", alpha=0.25),
         node("Mul", "h", "x", out="g"), node("Sigmoid", "g", out="s"), node("Mul", "g", "s")],
        {},
    ),
    "expanded gate": (
        [node("GlobalMaxPool", "x", out="m"), node("Expand", "m", "n", out="e"), node("Sigmoid", "e", out="s"),
         node("Mul", "e", "x", out="g"), node("Add", "g", "s")],
        {"n": np.array([1, 4, 5, 5])},
    ),
    "gated signs": ([SIGNS, node("Relu", "x", out="r"), node("Mul", "b", "r")], {"one": 0.5}),
    "hard swish": ([node("HardSwish", "x")], {}),
    "old slope": ([node("PRelu", "x", "r")], {"r": ROW}),
}  # fmt: skip


@pytest.mark.parametrize("case", WORKING)
def test_against_the_qonnx_package(case: str, tmp_path: Path) -> None:
    nodes, constants = WORKING[case]
    proto = model(nodes, [1, 4, 5, 5], opset={"old clip": 10, "hard swish": 14}.get(case, 13), **constants)
    path = tmp_path / "model.onnx"
    ModelWrapper(proto).transform(InferShapes()).save(str(path))
    images = np.random.default_rng(1).standard_normal((3, 4, 5, 5)).astype(np.float32)
    images[0, 0, 0, 0] = 0
    graph = from_qonnx(proto)
    found, expected = reference.run(graph, images), run_qonnx(path)(images)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=0, atol=1e-5)
    packed = [n for n in graph.nodes if n.op == "binary_conv2d" and isinstance(n.blobs["weight"], Bits)]
    assert bool(packed) == any(n.op_type in ("BipolarQuant", "Quant") and "x" in n.input for n in nodes)


REFUSED: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "operator": ([node("Softplus", "x")], {}, r"the_Softplus \(Softplus\): has no counterpart.*known: Add"),
    "end": ([node("Softmax", "x")], {}, r"the_Softmax \(Softmax\).*leave it out"),
    "sign": ([node("Sign", "x")], {}, r"the_Sign \(Sign\).*BipolarQuant"),
    "bits": (
        [node("Quant", "x", "s", "z", "n", **STEPS)],
        {"s": 0.5, "z": 0.0, "n": 8.0},
        r"the_Quant \(Quant\): quantizes a tensor to 8 bits; .*train with one bit",
    ),
    "tie": (
        [node("Quant", "x", "s", "z", "n", rounding_mode="FLOOR", **STEPS)],
        {"s": 0.5, "z": 0.0, "n": 1.0},
        r"the_Quant \(Quant\): .*FLOOR.*needs one of ROUND",
    ),
    "zero point": (
        [node("Quant", "x", "s", "z", "n", **STEPS)],
        {"s": 0.5, "z": 1.0, "n": 1.0},
        r"has a zero point; only zero point 0",
    ),
    "scales": ([SIGNS], {"one": np.ones((4, 1, 1))}, r"the_BipolarQuant \(BipolarQuant\): has 4 scales"),
    "negative scale": ([SIGNS], {"one": -1.0}, r"has the scale -1; a scale must be positive"),
    "quotient": ([node("Div", "x", "x")], {}, r"the_Div \(Div\): divides two tensors"),
    "product": (
        [node("MaxPool", "x", out="p", kernel_shape=[2, 2]), node("Mul", "p", "x")],
        {},
        r"the_Mul \(Mul\): reads \['N', 4, 4, 4\] and \['N', 4, 5, 5\]; two equal shapes",
    ),
    "place": ([node("Add", "x", "r")], {"r": np.ones((5, 5))}, r"constant of shape \[5, 5\] meets \['N', 4, 5, 5\]"),
    "weights": ([node("Conv", "x", "x")], {}, r"the_Conv \(Conv\): input 1 depends on the image"),
    "nan": ([node("Conv", "x", "w")], {"w": FLOATS * np.nan}, r"the_Conv \(Conv\): input 1 holds NaN"),
    "missing": ([node("Add", "x", "nowhere")], {}, r"the_Add \(Add\): reads 'nowhere'"),
    "shape": ([node("Reshape", "x", "n")], {"n": np.array([1, 10, 10])}, r"makes \[1, 10, 10\] of \['N', 4, 5, 5\]"),
    "reading a pad": (
        [node("Pad", "x", "n", out="p"), node("Relu", "p")],
        {"n": np.array([0, 0, 1, 1, 0, 0, 1, 1])},
        r"the_Relu \(Relu\): reads what a Pad has made; only a Conv",
    ),
    "expansion": ([node("Expand", "x", "n")], {"n": np.array([2, 4, 5, 5])}, r"makes \[2, 4, 5, 5\] of"),
    "slice": (
        [node("Slice", "x", "a", "b", "c")],
        {"a": np.array([1]), "b": np.array([4]), "c": np.array([2])},
        r"the_Slice \(Slice\): takes 1:4:1 of axis 2",
    ),
    "flat end": ([node("Flatten", "x")], {}, r"the output \(graph\): is a flattened image"),
    "dilation": (
        [node("MaxPool", "x", kernel_shape=[2, 2], dilations=[2, 2])], {}, r"the_MaxPool \(MaxPool\): has dilation",
    ),
    "too small": ([node("Conv", "x", "w")], {"w": np.ones((1, 4, 9, 9))}, r"the_Conv \(Conv\): cannot be stored"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_node(case: str) -> None:
    nodes, constants, message = REFUSED[case]
    nodes = [*nodes[:-1], helper.make_node(nodes[-1].op_type, nodes[-1].input, ["y"], nodes[-1].name)]
    nodes[-1].attribute.extend(REFUSED[case][0][-1].attribute)
    with pytest.raises(ExportError, match=message):
        from_qonnx(model(nodes, [1, 4, 5, 5], **constants))


def test_refused_ends() -> None:
    with pytest.raises(ExportError, match=r"input 'x' is float \[1, 4, 5\]"):
        from_qonnx(model([node("Relu", "x")], [1, 4, 5]))
    two = model([node("Relu", "x")], [1, 4, 5, 5])
    two.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 4]))
    with pytest.raises(ExportError, match=r"2 inputs \(x, z\)"):
        from_qonnx(two)


def test_hints_are_for_what_cannot_be_imported() -> None:
    assert not set(INSTEAD) & set(RULES)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes, constants = WORKING["scaled signs"]
    source, target = tmp_path / "model.onnx", tmp_path / "model.sbn"
    ModelWrapper(model(nodes, [1, 4, 5, 5], **constants)).transform(InferShapes()).save(str(source))
    assert main(["import", str(source), "--out", str(target)]) == 0
    assert "1 layer(s) packed, 0 float" in capsys.readouterr().out
    assert [n.op for n in read(target).nodes] == ["threshold", "binary_conv2d", "affine"]
    target.unlink()
    ModelWrapper(model([node("Softmax", "x")], [1, 4, 5, 5])).transform(InferShapes()).save(str(source))
    assert main(["import", str(source), "--out", str(target)]) == 2
    assert "leave it out" in capsys.readouterr().err
    assert not target.exists()


def test_no_onnx_file(tmp_path: Path) -> None:
    for content in (None, b"\x89PNG not a model"):
        if content:
            (tmp_path / "model.onnx").write_bytes(content)
        with pytest.raises(ConfigError, match=r"model\.onnx cannot be read as an ONNX model"):
            import_qonnx(tmp_path / "model.onnx", tmp_path / "model.sbn")
