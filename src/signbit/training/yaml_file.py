"""Settings as people write them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from signbit.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """Takes 1e-3 for a number, as Python and YAML 1.2 do; to YAML 1.1, which PyYAML reads, it is text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read_yaml(path: str | Path, what: str) -> Any:
    """The content of a YAML file, plain data.

    Parameters
    ----------
    path : the file.
    what : what is read from it, for messages: "settings from".

    Errors: ConfigError for a file that cannot be read or is not YAML.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "a.yaml").write_text("{gamma: 1e-3, tau: 1.0e-8, name: 1e-3x}")
    ...     read_yaml(Path(folder) / "a.yaml", "settings from")
    {'gamma': 0.001, 'tau': 1e-08, 'name': '1e-3x'}
    """
    try:
        return _Loader(Path(path).read_text(encoding="utf-8")).get_single_data()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {what} {path}: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {str(error).replace(chr(10), ' ')}") from error
