"""What is public: the names that a room exports. Each has to say what it is."""

from __future__ import annotations

import ast
import inspect
import pkgutil
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import signbit
from signbit.registry import Registry


def rooms() -> list[str]:
    """Every room of the package by its full name, ``signbit`` itself first; the command line has pages of its own."""
    names = sorted(module.name for module in pkgutil.iter_modules(signbit.__path__))
    return ["signbit", *(f"signbit.{name}" for name in names if name != "cli" and not name.startswith("_"))]


def public_names(room: str) -> list[str]:
    """What a room exports: its ``__all__`` or, without one, its own classes, functions and described constants."""
    module = import_module(room)
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not name.startswith("_")]
    constants = _described_constants(room)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (name in constants or ((inspect.isclass(value) or inspect.isroutine(value)) and value.__module__ == room))
    ]


def registries() -> dict[str, Registry[object]]:
    """Every registry that a room exports, by the full name of the variable."""
    found = {f"{room}.{name}": getattr(import_module(room), name) for room in rooms() for name in public_names(room)}
    return {path: value for path, value in found.items() if isinstance(value, Registry)}


def undocumented() -> list[str]:
    """Public names, and public methods of public classes, that nobody has described.

    A module speaks for itself, and a registry is described by its kind and its entries.
    """
    missing = []
    for room in rooms():
        for name in public_names(room):
            value = getattr(import_module(room), name)
            path = f"{room}.{name}"
            if isinstance(value, ModuleType | Registry):
                continue
            if not (inspect.isclass(value) or inspect.isroutine(value)):
                missing += [] if name in _described_constants(room) else [path]
                continue
            missing += [] if _is_described(value) else [path]
            if inspect.isclass(value):
                methods = {method: getattr(value, method) for method in _methods(value)}
                missing += [f"{path}.{method}" for method, made in methods.items() if not _is_described(made)]
    return missing


def _is_described(value: object) -> bool:
    text = inspect.getdoc(value) or ""
    # A dataclass without a docstring is given its own signature for one.
    return bool(text.strip()) and not text.startswith(f"{getattr(value, '__name__', None)}(")


def _methods(owner: type) -> list[str]:
    """Methods and properties that a class defines itself."""
    kinds = (property, staticmethod, classmethod)
    return [
        name
        for name, value in vars(owner).items()
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, kinds))
    ]


@cache
def _described_constants(room: str) -> frozenset[str]:
    """Names assigned in the files of a room that a string follows, as MkDocs reads them."""
    source = Path(inspect.getsourcefile(import_module(room)) or "")
    files = source.parent.glob("*.py") if source.name == "__init__.py" else [source]
    found = set()
    for file in files:
        body = ast.parse(file.read_text()).body
        for statement, follower in pairwise(body):
            targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
            if isinstance(follower, ast.Expr) and isinstance(follower.value, ast.Constant):
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(found)
