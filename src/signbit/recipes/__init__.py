"""Settings of runs that ship with the package, as YAML: ``<dataset>/<model>-<method>[-variant|-quick|-subset].yaml``.

The first comment of a file names the paper and its published accuracy. A published run trains on all 50,000 images of
CIFAR-10; here 5,000 of them are held out for validation, so that the same epochs are a tenth fewer steps;
of ImageNet's 1,281,167, 50,000, 4 % fewer.
"""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

from signbit.errors import UnknownNameError

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Every shipped recipe, for example ``"digits/convnet-tiny-ste"``."""
    return sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.yaml"))


def find(recipe: str) -> Path:
    """The file of a recipe: a path to a YAML file of one's own, or a shipped name.

    >>> find("digits/convnet-tiny-ste").name
    'convnet-tiny-ste.yaml'
    """
    if recipe.endswith((".yaml", ".yml")):
        return Path(recipe)
    if recipe not in names():
        raise UnknownNameError("recipe", recipe, names(), see="signbit list recipes")
    return FOLDER / f"{recipe}.yaml"


def about(recipe: str) -> str:
    """What a recipe says of itself in its first comment.

    >>> about("digits/convnet-tiny-ste")
    "What `signbit demo` trains: a plain binary network on scikit-learn's digits."
    """
    comment = takewhile(lambda line: line.startswith("#"), find(recipe).read_text().splitlines())
    return " ".join(line.lstrip("# ") for line in comment)
