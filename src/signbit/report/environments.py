"""Where runs took place, each environment once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from signbit.report.page import Section

Grouped = list[tuple[list[str], dict[str, Any]]]
"""Names of runs, and the environment that they share."""


def grouped(environments: Iterable[tuple[str, Mapping[str, Any]]]) -> Grouped:
    """Every environment that occurs, without the seed, and the runs that took place in it.

    >>> grouped([("a", {"cpu": "x", "seed": 0}), ("b", {"cpu": "y", "seed": 0}), ("c", {"cpu": "x", "seed": 1})])
    [(['a', 'c'], {'cpu': 'x'}), (['b'], {'cpu': 'y'})]
    """
    found: Grouped = []
    for name, recorded in environments:
        environment = {key: value for key, value in recorded.items() if key != "seed"}
        same = [names for names, other in found if other == environment]
        if same:
            same[0].append(name)
        else:
            found.append(([name], environment))
    return found


def environment_section(groups: Sequence[tuple[Sequence[str], Mapping[str, Any]]]) -> Section:
    """Versions, commit and processor, as they were recorded."""
    return Section(
        "Environment",
        code="\n\n".join(f"{', '.join(names)}:\n{json.dumps(found, indent=2)}" for names, found in groups),
    )
