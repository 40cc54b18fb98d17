"""Weights that another project trained, as the folder of a run."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from signbit.errors import ConfigError, DataError
from signbit.files import make_folder
from signbit.training.checkpoints import LAST, NETWORK, AtomicCheckpointIO
from signbit.training.config import RunConfig
from signbit.training.environment import environment
from signbit.training.folder import CARD, CONFIG, ENVIRONMENT, IMPORTED, build_network, write_json
from signbit.training.key_map import KeyMap


@dataclass(frozen=True)
class Imported:
    """What became of a file of weights.

    Attributes
    ----------
    run : the folder that was made.
    source, sha256 : the file.
    tensors : how many of the network's tensors came from it.
    kept : how many stayed as the network was made.
    """

    run: str
    source: str
    sha256: str
    tensors: int
    kept: int


def import_weights(weights: str | Path, key_map: KeyMap, config: RunConfig) -> Imported:
    """Make the folder of a run from weights of another PyTorch project; it can be evaluated and exported.

    Parameters
    ----------
    weights : a file of ``torch.save``; it is read with ``weights_only``, so that no code in it runs.
    key_map : which tensor goes where.
    config : model, method, data set, normalization and their options; ``out`` is needed. What concerns training is
        recorded and has no effect.

    Errors
    ------
    DataError : the file cannot be read or holds something else than tensors.
    ConfigError : keys and network do not fit, see :meth:`KeyMap.apply`; or ``out`` is in use.
    WriteError : ``out`` cannot be written.
    """
    if config.out is None:
        raise ConfigError("imported weights need a folder for their run; give --out")
    run = Path(config.out)
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise ConfigError(f"the folder of a run must be new or empty; {run} is not; choose another --out")
    weights = Path(weights)
    source = read_state(weights, key_map.state)
    dataset = config.load_data()
    network = build_network(config, dataset.card)
    state, own = key_map.apply(source, network), network.state_dict()
    network.load_state_dict({**own, **state})
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    imported = Imported(str(run), weights.name, digest, len(state), len(own) - len(state))
    make_folder(run)
    write_json(run / CARD, asdict(dataset.card))
    write_json(run / ENVIRONMENT, environment(config.seed))
    write_json(run / IMPORTED, {**asdict(imported), "map": asdict(key_map)})
    checkpoint = {"state_dict": {NETWORK + name: tensor for name, tensor in network.state_dict().items()}}
    AtomicCheckpointIO().save_checkpoint(checkpoint, run / LAST)
    folder = None if config.data_dir is None else str(Path(config.data_dir).absolute())
    replace(config, data_dir=folder).to_yaml(run / CONFIG)  # last: with it, the folder is a run
    return imported


def read_state(path: Path, entry: str = "") -> dict[str, Tensor]:
    """The state dict in a file of ``torch.save``.

    Parameters
    ----------
    path : the file.
    entry : which of its entries, dots between levels; default: the file is the state dict.
    """
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(f"there is no file {path}; give a file that torch.save wrote") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"cannot read {path} as tensors: {reason}; save the state dict alone: torch.save(model.state_dict(), ...)"
        ) from None
    for level in entry.split(".") if entry else ():
        if not isinstance(content, Mapping) or level not in content:
            raise DataError(f"{path} has no entry {entry!r}; {_entries(content)}")
        content = content[level]
    others = [key for key, value in content.items() if not isinstance(value, Tensor)] if _is_dict(content) else None
    if others is None or others:
        where = f"{path}, entry {entry!r}," if entry else f"{path}"
        raise DataError(
            f"{where} is no state dict; {_entries(content)}; "
            "name the entry that holds the weights with 'state: NAME' in the key map"
        )
    return dict(content)


def _is_dict(content: Any) -> bool:
    return isinstance(content, Mapping) and all(isinstance(key, str) for key in content)


def _entries(content: Any) -> str:
    if not _is_dict(content):
        return f"it holds {type(content).__name__}"
    names = list(content)
    return f"it holds {', '.join(names[:6])}{' ...' if len(names) > 6 else ''}"
