"""What may happen to a run in its middle without changing how it ends."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

Interruption = Callable[[Any], Any]
"""What takes part in a run -> what goes on in its place."""


def interruptions(save_and_load: Interruption) -> dict[str, Interruption]:
    """All of them by name; only how to save and load depends on what takes part."""
    return {
        "saving and loading": save_and_load,
        "deepcopy": copy.deepcopy,
        "pickling": lambda state: pickle.loads(pickle.dumps(state)),
    }


def nothing(state: Any) -> Any:
    """No interruption at all."""
    return state
