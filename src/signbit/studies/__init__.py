"""Studies that ship with the package, as YAML: ranges over the settings of runs, for ``signbit sweep``."""

from __future__ import annotations

from pathlib import Path

from signbit.errors import UnknownNameError

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Every shipped study, for example ``"bop2nd-ablation"``."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find(study: str) -> Path:
    """The file of a study: a path to a YAML file of one's own, or a shipped name.

    >>> find("bop2nd-ablation").name
    'bop2nd-ablation.yaml'
    """
    if study.endswith((".yaml", ".yml")):
        return Path(study)
    if study not in names():
        raise UnknownNameError("study", study, names())
    return FOLDER / f"{study}.yaml"


def about(study: str) -> str:
    """What a study says of itself."""
    import yaml  # names() is there for those who have not installed it

    return str(yaml.safe_load(find(study).read_text())["about"])
