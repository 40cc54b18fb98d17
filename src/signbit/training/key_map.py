"""Weights of other projects: which of their tensors is which of ours, and what has to be done to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from signbit.errors import ConfigError, UnknownNameError
from signbit.roles import Role, parameter_roles
from signbit.training.tensor_rule import TensorRule
from signbit.yaml_file import parse_yaml

SHOWN = 3
"""Names of each kind that an error lists."""


@dataclass(frozen=True)
class KeyMap:
    """How the keys of a state dict become those of a network of ours.

    Attributes
    ----------
    state : entry of the file that holds the state dict, dots between levels; default: the file is one.
    rename : regular expression -> replacement (``\\1`` is its first group), applied to every key one after another.
    ignore : regular expressions of keys, after renaming, that have no place here.
    keep : regular expressions of keys of the network that keep the value they are made with.
    tensors : regular expression of keys of the network -> what is done to their tensors; the first that matches.

    ``ignore``, ``keep`` and ``tensors`` match whole keys, ``rename`` any part.

    >>> rules = KeyMap.from_dict({"rename": {"^module[.]": "", "^layer(.)": r"blocks.\\1"}, "ignore": [".*_tracked"]})
    >>> rules.renamed("module.layer1.conv.weight")
    'blocks.1.conv.weight'
    """

    state: str = ""
    rename: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    tensors: Mapping[str, TensorRule] = field(default_factory=dict)

    @staticmethod
    def from_yaml(path: str | Path) -> KeyMap:
        """Read a map from a YAML file; :class:`ConfigError` names what is wrong in it."""
        try:
            raw = parse_yaml(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the key map {path}: {error}") from error
        except yaml.YAMLError as error:
            raise ConfigError(f"{path} is not valid YAML: {str(error).replace(chr(10), ' ')}") from error
        return KeyMap.from_dict({} if raw is None else raw)

    @staticmethod
    def from_dict(raw: Any) -> KeyMap:
        """A map from plain data."""
        known = [each.name for each in fields(KeyMap)]
        if not isinstance(raw, Mapping):
            raise ConfigError(f"a key map holds {', '.join(known)}; got {type(raw).__name__}")
        for name in raw:
            if name not in known:
                raise UnknownNameError("part of a key map", str(name), known)
        state, rename, tensors = raw.get("state", ""), raw.get("rename", {}), raw.get("tensors", {})
        patterns = {name: raw.get(name, []) for name in ("ignore", "keep")}
        if not isinstance(state, str):
            raise ConfigError(f"key map: state is the name of an entry; got {state!r}")
        for name, content in (("rename", rename), ("tensors", tensors)):
            if not isinstance(content, Mapping):
                raise ConfigError(f"key map: {name} holds 'regular expression: ...' lines; got {content!r}")
        for name, content in (*patterns.items(), ("rename", list(rename)), ("tensors", list(tensors))):
            if not isinstance(content, list):
                raise ConfigError(f"key map: {name} is a list of regular expressions; got {content!r}")
            for pattern in content:
                _check_pattern(name, pattern)
        for pattern, replacement in rename.items():
            try:
                re.sub(pattern, replacement, "")
            except (re.error, TypeError, IndexError) as error:
                raise ConfigError(f"key map, rename: {replacement!r} cannot replace {pattern!r}: {error}") from None
        return KeyMap(
            state,
            dict(rename),
            tuple(patterns["ignore"]),
            tuple(patterns["keep"]),
            {pattern: TensorRule.from_dict(pattern, rule) for pattern, rule in tensors.items()},
        )

    def renamed(self, key: str) -> str:
        """A key of the file under the network's names."""
        for pattern, replacement in self.rename.items():
            key = re.sub(pattern, replacement, key)
        return key

    def apply(self, source: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
        """The tensors of ``source`` under the names and in the types of ``network``.

        Errors
        ------
        ConfigError : keys that have no place, keys of the network that get no value, two for one place, or another
            shape: all of them in one message. Also for values that are no numbers, and latent weights where the
            network stores signs.
        """
        own = network.state_dict()
        placed: dict[str, tuple[str, Tensor]] = {}
        homeless, twice = [], []
        for key, tensor in source.items():
            name = self.renamed(key)
            if _matches(self.ignore, name):
                continue
            if name in placed:
                twice.append(f"{key} and {placed[name][0]} for {name}")
            elif name in own:
                placed[name] = key, self._rule_of(name)(name, tensor)
            else:
                homeless.append(_with_close(key if key == name else f"{key} -> {name}", name, own))
        empty = [
            _with_close(name, name, [self.renamed(key) for key in source])
            for name in own
            if name not in placed and not _matches(self.keep, name)
        ]
        wrong = [
            f"{key} is {list(tensor.shape)}, {name} {list(own[name].shape)}"
            for name, (key, tensor) in placed.items()
            if tensor.shape != own[name].shape
        ]
        problems = {
            "have no place in the network": homeless,
            "of the network get no value": empty,
            "claim a place together": twice,
            "have another shape": wrong,
        }
        found = [f"{len(names)} {problem}: {_first(names)}" for problem, names in problems.items() if names]
        if found:
            raise ConfigError(f"{'; '.join(found)}. Change the key map: rename, ignore, keep, tensors")
        roles = parameter_roles(network)
        for name, (key, tensor) in placed.items():
            _check_values(key, name, tensor, roles.get(name))
        return {name: tensor.to(own[name].dtype) for name, (_, tensor) in placed.items()}

    def _rule_of(self, name: str) -> TensorRule:
        return next((rule for pattern, rule in self.tensors.items() if re.fullmatch(pattern, name)), TensorRule())


def _matches(patterns: Iterable[str], name: str) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in patterns)


def _with_close(shown: str, name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1, cutoff=0.8)
    return f"{shown} (close: {close[0]})" if close else shown


def _first(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _check_pattern(part: str, pattern: Any) -> None:
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        raise ConfigError(f"key map, {part}: {pattern!r} is not a regular expression: {error}") from None


def _check_values(key: str, name: str, tensor: Tensor, role: Role | None) -> None:
    if tensor.is_complex() or not torch.isfinite(tensor.to(torch.float64)).all():
        raise ConfigError(f"{key} holds values that are no finite numbers; a network cannot be made of it")
    if role is Role.BINARY and not (tensor.abs() == 1).all():
        raise ConfigError(
            f"{name} is stored as -1 and +1 by this method, {key} holds other numbers; take their signs with "
            "'values: signs' under tensors in the key map, or choose a method with latent weights"
        )
