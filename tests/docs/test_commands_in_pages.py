"""What the tutorial, the guides and the pages of methods tell people to type is typed: in order, in one folder a page,
with fewer epochs and images.

A block that takes too long or more than the package stands below ``<!-- not run: reason -->``; its commands must still
be ones that the command line understands.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from signbit.cli import main
from signbit.cli.main import load, parser_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [
    DOCS / "index.md",
    DOCS / "tutorial.md",
    *sorted((DOCS / "guides").glob("*.md")),
    *sorted((DOCS / "methods").glob("*.md")),
]
BLOCK = re.compile(r"(?P<reason><!-- not run: [^>]+ -->\n)?```(?P<language>sh|python)\n(?P<code>.*?)```", re.DOTALL)


def commands(code: str) -> list[list[str]]:
    """The command lines of signbit in a shell block, without comments."""
    lines = [shlex.split(line, comments=True) for line in code.splitlines()]
    return [words[1:] for words in lines if words[:1] == ["signbit"]]


def test_every_page_has_something_to_type() -> None:
    for page in PAGES:
        blocks = list(BLOCK.finditer(page.read_text()))
        assert any(commands(block["code"]) for block in blocks if block["language"] == "sh"), page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_that_are_not_run_parse(page: Path) -> None:
    for block in BLOCK.finditer(page.read_text()):
        if block["reason"] and block["language"] == "sh":
            for name, *arguments in commands(block["code"]):
                parser_of(load(name)).parse(arguments)


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "index"], ids=lambda page: page.stem)
def test_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo of the first page has tests of its own."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": page.stem}
    for block in BLOCK.finditer(page.read_text()):
        if block["reason"]:
            continue
        if block["language"] == "python":
            exec(compile(block["code"], str(page), "exec"), names)
        for words in commands(block["code"]) if block["language"] == "sh" else []:
            assert main(shortened(words)) == 0, shlex.join(words)


def shortened(words: list[str]) -> list[str]:
    """The same command with one epoch on few images, one torch thread and few timed runs."""
    text = re.sub(r"--epochs \d+", "--epochs 1", shlex.join(words))
    extra = {"train": " --threads 1 --train-images 256", "bench": " --repeats 3"}.get(words[0], "")
    return shlex.split(text + extra)
