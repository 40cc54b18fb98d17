"""What lies outside of ``docs/``: documents of the root become pages, other files that are linked to are copied."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from generator import ROOT

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
PROJECT = {name: f"project/{name.lower()}" for name in DOCUMENTS}
"""Document in the root of the repository -> page of the site."""

FILES = "files"
"""Folder of the site for copies of files that are no pages."""

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)]*)?\)")


def project_pages() -> dict[str, str]:
    """Path -> text, with the links as they stand in the root of the repository."""
    return {page: (ROOT / name).read_text() for name, page in PROJECT.items()}


def relink(text: str, page: str, copy: Callable[[str], None]) -> str:
    """The text of ``page`` with its links made to work on the site; folders have no page, so a link to one is dropped.

    Parameters
    ----------
    page : path below ``docs/``; for a page of the root, where the site has it.
    copy : called with the path of every file, from the root of the repository, that has to go into ``files/``.

    Errors: FileNotFoundError for a link to nothing.
    """
    source = next((name for name, target in PROJECT.items() if target == page), f"docs/{page}")

    def moved(link: re.Match[str]) -> str:
        target = link["target"]
        if ":" in target:
            return link[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if path in PROJECT:
            target = PROJECT[path]
        elif path.startswith("docs/"):
            target = path.removeprefix("docs/")
        elif path == "docs":
            target = "index.md"
        elif (ROOT / path).is_dir():
            return link["text"]
        else:
            if not (ROOT / path).is_file():
                raise FileNotFoundError(f"{source} links to {link['target']}, which does not exist")
            copy(path)
            target = f"{FILES}/{path}"
        return f"[{link['text']}]({posixpath.relpath(target, posixpath.dirname(page) or '.')}{link['anchor'] or ''})"

    return _LINK.sub(moved, text)
