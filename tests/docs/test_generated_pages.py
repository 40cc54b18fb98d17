"""The pages that are made from the package: complete, and refused where something is missing."""

from __future__ import annotations

import ast
import doctest
import inspect
import json
import types
from importlib import import_module
from pathlib import Path
from statistics import fmean

import generator
import pytest
from generator import contents, docstrings, outside, public, reference, registries, results

from signbit.cli.main import COMMANDS
from signbit.methods import METHODS
from signbit.recipes import names as recipe_names

ROOT = Path(__file__).resolve().parents[2]


def test_everything_public_is_documented() -> None:
    assert public.undocumented() == []


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ("def shown(): 'Does it.'", []),
        ("def shown(): pass", ["room.shown"]),
        ("class shown: 'A thing.'\nshown.method = lambda self: None", ["room.shown.method"]),
        ("import dataclasses\nshown = dataclasses.make_dataclass('shown', ['x'])", ["room.shown"]),
    ],
)
def test_undocumented_names_are_found(code: str, missing: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    room = types.ModuleType("room")
    exec(code, vars(room))
    room.__all__ = ["shown"]  # type: ignore[attr-defined]
    monkeypatch.setattr(public, "rooms", lambda: ["room"])
    monkeypatch.setattr(public, "import_module", lambda _: room)
    assert public.undocumented() == missing
    if missing:
        with pytest.raises(ValueError, match=r"public and undocumented: room\.shown"):
            reference.python_pages()


def test_every_room_and_command_has_a_page() -> None:
    rooms = {path.parent.name for path in (ROOT / "src" / "signbit").glob("*/__init__.py")} - {"cli"}
    assert {f"reference/python/signbit.{room}.md" for room in rooms} <= reference.python_pages().keys()
    pages = reference.command_pages()
    assert pages.keys() == {f"reference/commands/{name}.md" for name in COMMANDS}
    assert all("usage: signbit" in page for page in pages.values())


def test_what_docstrings_point_to_exists() -> None:
    lost = []
    for file in (ROOT / "src" / "signbit").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            for target in docstrings.targets(ast.get_docstring(node) or "") if documented else []:
                if target.startswith("signbit.") and not _exists(target):
                    lost.append(f"{file.name}: {target}")
    assert lost == []


def _exists(path: str) -> bool:
    for split in range(path.count(".") + 1):
        home, _, rest = path, "", ""
        if split:
            home, *tail = path.rsplit(".", split)
            rest = ".".join(tail)
        try:
            owner = import_module(home)
        except ImportError as error:
            if error.name is not None and error.name.startswith("signbit"):
                continue
            return True  # a module of ours that needs what is not installed; elsewhere it is
        for name in rest.split(".") if rest else []:
            if not hasattr(owner, name) and name not in getattr(owner, "__annotations__", {}):
                return False
            owner = getattr(owner, name, None)
        return True
    return False


def test_docstrings_become_markdown() -> None:
    text = inspect.cleandoc(
        """Adds, see :func:`~signbit.x.add` and :class:`Sum`.

        One equation::

            y = a + b

        and more.

        Parameters
        ----------
        a, b : numbers
            of any size.
        c : >= 1.

        Shape: kept.

        >>> add(1, 2)
        3
        """
    )
    assert docstrings.to_markdown(text) == inspect.cleandoc(
        """Adds, see <autoref identifier="signbit.x.add" optional><code>add</code></autoref> and \
<autoref identifier="Sum" optional><code>Sum</code></autoref>.

        One equation:

        ```text
        y = a + b
        ```

        and more.

        Args:
            a: numbers
                of any size.
            b: numbers
                of any size.
            c: \\>= 1.

        Shape: kept.

        ```pycon
        >>> add(1, 2)
        3
        ```"""
    )


@pytest.mark.parametrize("module", [generator, contents, docstrings], ids=lambda module: module.__name__)
def test_examples_in_the_generator(module: types.ModuleType) -> None:
    outcome = doctest.testmod(module)
    assert outcome.attempted
    assert not outcome.failed


def test_every_method_has_a_page() -> None:
    assert registries.missing_pages() == []
    written = {path.stem for path in (ROOT / "docs" / "methods").glob("*.md")}
    assert written == set(METHODS.names())


@pytest.mark.parametrize("name", METHODS.names())
def test_page_of_a_method(name: str) -> None:
    page = registries.about_method(name)
    assert "## Defaults" in page
    assert all(f"[`{other}`]({other}.md)" in page for other in METHODS.names() if other != name)


def test_lists_hold_everything() -> None:
    page = registries.lists_page()
    entries = [entry.name for registry in public.registries().values() for entry in registry]
    assert len(entries) > 30
    assert [name for name in (*entries, *recipe_names()) if f"`{name}`" not in page] == []


def test_results_come_from_the_records() -> None:
    page = results.results_page()
    shown = [setting for comparison in results.comparisons().values() for setting in comparison.settings]
    assert len(shown) >= 6
    for setting in shown:
        assert f"| {setting.name} | {setting.model} |" in page
        accuracies = [json.loads((run.folder / "result.json").read_text())["test_accuracy"] for run in setting.runs]
        assert f"| {100 * fmean(accuracies):.2f}" in results.results_of(setting.method)


def test_links_out_of_the_docs() -> None:
    copied: list[str] = []
    text = "[a](../README.md#from-c) [b](../examples/read_sbn.py) [c](methods.md) [d](https://x.org) [e](#f)"
    moved = outside.relink(text, "c.md", copied.append)
    assert moved == (
        "[a](project/readme.md#from-c) [b](files/examples/read_sbn.py) [c](methods.md) [d](https://x.org) [e](#f)"
    )
    assert copied == ["examples/read_sbn.py"]
    assert outside.relink("[tests](../tests)", "c.md", copied.append) == "tests"
    assert outside.relink("[d](docs/c.md)", "project/readme.md", copied.append) == "[d](../c.md)"
    with pytest.raises(FileNotFoundError, match=r"docs/c\.md links to \.\./gone\.py"):
        outside.relink("[a](../gone.py)", "c.md", copied.append)


def test_nothing_is_left_out_of_the_navigation() -> None:
    pages = ["index.md", "a.md", "guides/x.md", "guides/y.md", "b.md"]
    nav = contents.expand(["index.md", {"Guides": ["guides/y.md", "guides/", "*"]}, {"A": "a.md"}], pages)
    assert nav == ["index.md", {"Guides": ["guides/y.md", "guides/x.md", "b.md"]}, {"A": "a.md"}]
