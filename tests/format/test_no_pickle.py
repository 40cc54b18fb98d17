"""Nothing that opens a file can run code from it: what the sources import and call, and what happens to a trap."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signbit.errors import SignbitError
from signbit.format import read, read_bytes
from signbit.interop.npz import read_npz
from signbit.runtime import Session

SOURCES = Path(__file__).parents[2] / "src" / "signbit"
DEPLOYMENT = [
    *(path for room in ("format", "runtime", "interop") for path in sorted((SOURCES / room).rglob("*.py"))),
    *sorted(SOURCES.glob("*.py")),
]
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def imports(tree: ast.AST) -> set[str]:
    """First names of all modules that are imported."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


def calls(tree: ast.AST, owner: str, function: str) -> Iterator[dict[str, Any]]:
    """Keyword arguments of every call of ``owner.function``, constants alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == function:
            value = node.func.value
            if isinstance(value, ast.Name) and value.id == owner:
                yield {
                    word.arg: word.value.value
                    for word in node.keywords
                    if word.arg is not None and isinstance(word.value, ast.Constant)
                }


@pytest.mark.parametrize("path", DEPLOYMENT, ids=lambda path: str(path.relative_to(SOURCES)))
def test_the_deployment_side_has_no_pickle(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not imports(tree) & PICKLES
    assert all(words.get("allow_pickle") is False for words in calls(tree, "np", "load"))
    assert not list(calls(tree, "torch", "load"))


def test_tensors_are_loaded_as_tensors_alone() -> None:
    """Every ``torch.load`` of the package; what is unpickled are copies in memory, in the conformance tests alone."""
    loads = 0
    for path in SOURCES.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for words in calls(tree, "torch", "load"):
            assert words.get("weights_only") is True, path
            loads += 1
        assert not list(calls(tree, "pickle", "load")), path
        if list(calls(tree, "pickle", "loads")):
            assert path.parent.name == "testing", path
    assert loads >= 2


class Trap:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_pickle_is_no_model(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    data = pickle.dumps(Trap(sprung))
    (tmp_path / "model.sbn").write_bytes(data)
    np.savez(tmp_path / "model.npz", graph=np.array([Trap(sprung)], dtype=object))
    for attempt in (
        lambda: read_bytes(data),
        lambda: read(tmp_path / "model.sbn"),
        lambda: Session(tmp_path / "model.sbn"),
        lambda: Session(data, isa="reference"),
        lambda: read_npz(tmp_path / "model.npz"),
    ):
        with pytest.raises((SignbitError, ValueError)):
            attempt()
    assert not sprung.exists()
    pickle.loads(data)
    assert sprung.exists(), "the trap works"
