"""The import table in ARCHITECTURE.md is what the code does: every import between rooms is compared with it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "signbit"


def import_table() -> tuple[set[str], dict[str, set[str]]]:
    """Leaves, and for every room the rooms that it may import."""
    leaves: set[str] = set()
    allowed: dict[str, set[str]] = {}
    for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| `") or len(cells) != 3:
            continue
        names = [name.rstrip("/") for name in re.findall(r"`([a-z_/]+)`", cells[0])]
        if cells[0].endswith("/`"):
            (room,) = names
            allowed[room] = set(re.findall(r"`([a-z_]+)`", cells[2]))
            if cells[2].startswith("everything"):
                allowed[room] = {"*"} if "but" not in cells[2] else {"*", *(f"!{name}" for name in allowed[room])}
        else:
            leaves.update(names)
    return leaves, allowed


def rooms_on_disk() -> list[str]:
    return sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.rglob("*.py")))


def imported_modules(source: Path) -> list[tuple[int, str]]:
    """``(line, module)`` of every absolute import in a file, the ones under TYPE_CHECKING included."""
    found = []
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}:{node.lineno}: relative import; write the full name"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "signbit" and len(parts) > 1 else None


def test_every_room_has_its_sentence() -> None:
    _, allowed = import_table()
    assert set(rooms_on_disk()) <= set(allowed), "a room is missing in ARCHITECTURE.md's table"
    for room, names in allowed.items():
        unknown = {name.lstrip("!") for name in names} - set(allowed) - {"*"}
        assert not unknown, f"{room} may import {unknown}, which are no rooms"


@pytest.mark.parametrize("room", rooms_on_disk())
def test_imports_follow_the_table(room: str) -> None:
    leaves, allowed = import_table()
    may = allowed[room]
    wrong = []
    for source in sorted((PACKAGE / room).rglob("*.py")):
        for line, module in imported_modules(source):
            target = room_of(module)
            if target is None or target == room or target in leaves or not (PACKAGE / target).exists():
                continue
            if f"!{target}" in may or ("*" not in may and target not in may):
                wrong.append(f"{source.relative_to(ROOT)}:{line} imports {module}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ["format", "runtime"])
def test_deployment_rooms_never_import_torch(room: str) -> None:
    for source in sorted((PACKAGE / room).rglob("*.py")):
        for line, module in imported_modules(source):
            assert module.split(".")[0] not in {"torch", "lightning"}, f"{source}:{line} imports {module}"


def test_leaves_import_only_leaves() -> None:
    leaves, _ = import_table()
    for leaf in leaves:
        for line, module in imported_modules(PACKAGE / f"{leaf}.py"):
            assert room_of(module) in {None, *leaves}, f"{leaf}.py:{line} imports {module}"


def test_there_is_no_utils() -> None:
    assert not [path for path in PACKAGE.rglob("*") if path.stem in {"utils", "util", "helpers", "common", "misc"}]


def test_import_signbit_is_light() -> None:
    code = (
        "import sys, signbit; heavy = {'torch', 'numpy', 'lightning', 'signbit.runtime._native'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
