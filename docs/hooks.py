"""MkDocs' events: adds the pages that ``docs/generator`` makes and finishes what was rendered."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from generator import ROOT
from generator.contents import expand
from generator.equations import to_mathml
from generator.outside import FILES, project_pages, relink
from generator.reference import command_pages, overview, python_pages
from generator.registries import about_method, lead, lists_page, method_pages, missing_pages
from generator.results import results_of, results_page
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

EXTERNAL = re.compile(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?:https?:)?//[^"]*"')


def on_files(files: Files, config: Any) -> Files:
    """Adds the generated pages, and copies of the files that pages link to."""
    if missing := missing_pages():
        raise PluginError(f"methods without a page: {', '.join(missing)}; write docs/methods/NAME.md")
    python = python_pages()
    generated = {
        **project_pages(),
        **python,
        **command_pages(),
        "reference/index.md": overview(python),
        "reference/registries.md": lists_page(),
        "results/index.md": results_page(),
    }
    for path, text in generated.items():
        files.append(File.generated(config, path, content=text))
    copied: set[str] = set()
    for page in files.documentation_pages():
        relink(page.content_string, page.src_uri, copied.add)
    for path in sorted(copied):
        files.append(File.generated(config, f"{FILES}/{path}", abs_src_path=str(ROOT / path)))
    # Methods in the order of their registry, which begins with the simplest.
    pages = [page.src_uri for page in files.documentation_pages() if page.src_uri not in method_pages()]
    config.nav = expand(config.nav, [*method_pages(), *pages])
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:  # noqa: ARG001
    """Repairs links out of ``docs/`` and puts below a method's page what the package knows about it."""
    path = page.file.src_uri
    text = relink(markdown, path, lambda _: None)
    if path in method_pages():
        name = Path(path).stem
        heading, _, rest = text.partition("\n")
        text = "\n\n".join([heading, lead(name), rest, about_method(name), results_of(name)])
    return text


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:  # noqa: ARG001
    """Typesets equations."""
    return to_mathml(html)


def on_post_page(output: str, page: Any, config: Any) -> str:  # noqa: ARG001
    """Refuses whatever a browser would fetch from elsewhere: the site works without a network."""
    if found := EXTERNAL.search(output):
        raise PluginError(f"{page.file.src_uri} loads something from elsewhere: {found[0]}")
    return output
