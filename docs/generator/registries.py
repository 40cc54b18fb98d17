"""Lists of what ships, from the registries, and what the package knows about each method."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping

import yaml

from generator import DOCS, table
from generator.public import registries
from signbit import recipes
from signbit.methods import METHODS, PAIRINGS, resolve


def lists_page() -> str:
    """Everything that is registered, a table for each kind, and the recipes."""
    parts = ["# Lists", "What `signbit list` prints: everything that has a name and can be chosen by it."]
    for path, registry in registries().items():
        rows = [(_linked(registry.kind, entry.name), entry.summary, entry.reference) for entry in registry]
        heading = f"## {registry.kind[0].upper()}{registry.kind[1:]}s"
        parts.append(f"{heading}\n\n`{path}`\n\n{table(('name', 'summary', 'reference'), rows)}")
    parts.append(f"## Recipes\n\n`signbit train NAME`\n\n{_recipes(recipes.names())}")
    return "\n\n".join(parts) + "\n"


def _linked(kind: str, name: str) -> str:
    return f"[`{name}`](../methods/{name}.md)" if kind == "method" else f"`{name}`"


def _recipes(names: Iterable[str]) -> str:
    rows = []
    for name in names:
        settings = yaml.safe_load(recipes.find(name).read_text())
        rows.append((f"`{name}`", settings.get("epochs"), settings.get("batch_size"), recipes.about(name)))
    return table(("name", "epochs", "batch", "what it is"), rows)


def method_pages() -> list[str]:
    """The page that every method must have."""
    return [f"methods/{name}.md" for name in METHODS.names()]


def lead(name: str) -> str:
    """The line below the heading of a method's page."""
    return f"**{METHODS[name].summary[0].upper()}{METHODS[name].summary[1:]}.**"


def about_method(name: str) -> str:
    """What follows the hand-written part of a method's page: options, defaults, combinations, recipes, source."""
    entry = METHODS[name]
    home = inspect.getmodule(entry.target)
    assert home is not None
    builder = f"{home.__name__}.{entry.target.__name__}"
    parts = [
        f"## Defaults\n\n{_defaults(name)}",
        f"## Together with other methods\n\n{_combinations(name)}",
    ]
    if inspect.signature(entry.target).parameters:
        options = "{show_root_heading: false, show_root_toc_entry: false}"
        parts.insert(0, f"## Options\n\n`--method-option NAME=VALUE`\n\n::: {builder}\n    options: {options}")
    mine = [recipe for recipe in recipes.names() if name in _methods_of(recipe)]
    if mine:
        parts.append(f"## Recipes\n\n{_recipes(mine)}")
    if entry.reference:
        parts.append(f"## Reference\n\n{entry.reference}.")
    return "\n\n".join(parts) + "\n"


def _methods_of(recipe: str) -> list[str]:
    return str(yaml.safe_load(recipes.find(recipe).read_text())["method"]).split("+")


def _defaults(name: str) -> str:
    rules = METHODS[name].target().rules
    defaults = resolve(name).defaults
    rate = f"Peak learning rate {defaults.learning_rate:g}, schedule `{defaults.schedule}`."
    if not rules:
        return f"It has no optimizer of its own: that of the method beside it, and of [`ste`](ste.md) alone. {rate}"
    rows = [
        (role.value, f"`{_name(rule.build)}`", _settings(rule.options), ", ".join(rule.over_run) or "-")
        for role, rule in rules.items()
    ]
    header = ("parameters", "optimizer", "settings", "scheduled once the run's length is known")
    return f"{table(header, rows)}\n\n{rate}"


def _name(build: object) -> str:
    return str(getattr(build, "__name__", type(build).__name__))


def _settings(options: Mapping[str, object]) -> str:
    shown = {name: f"{value:g}" if isinstance(value, float) else value for name, value in options.items()}
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def _combinations(name: str) -> str:
    rows = []
    for pairing in PAIRINGS:
        if name in pairing.methods:
            (other,) = (method for method in pairing.methods if method != name)
            rows.append((f"[`{other}`]({other}.md)", "yes" if pairing.works else "no", pairing.note))
    return table(("with", "works", "how, or why not"), rows)


def missing_pages() -> list[str]:
    """Methods that nobody has written about."""
    return [page for page in method_pages() if not (DOCS / page).is_file()]
