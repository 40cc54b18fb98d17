"""Settings as people write them."""

from __future__ import annotations

import re
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Takes 1e-3 for a number, as Python and YAML 1.2 do; to YAML 1.1, which PyYAML reads, it is text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse_yaml(text: str) -> Any:
    """The content of a YAML text, plain data; ``yaml.YAMLError`` for any other text.

    >>> parse_yaml("{gamma: 1e-3, tau: 1.0e-8, name: 1e-3x}")
    {'gamma': 0.001, 'tau': 1e-08, 'name': '1e-3x'}
    """
    return _Loader(text).get_single_data()
