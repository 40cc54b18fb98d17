"""Hands every docstring to :func:`generator.docstrings.to_markdown` before it is parsed."""

from __future__ import annotations

from typing import Any

import griffe

from generator.docstrings import to_markdown


class SignbitDocstrings(griffe.Extension):
    """Rewrites docstrings when their objects have been read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called once for each module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)
