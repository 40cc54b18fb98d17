"""Two processes train one network: the same weights and decisions in both, every image counted once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from two_processes import Bare

from signbit.callbacks.record import read_rows
from signbit.data import load
from signbit.methods import METHODS
from signbit.models import MODELS
from signbit.registry import Entry
from signbit.training import RunConfig, evaluate, fit, load_run
from signbit.training.checkpoints import LAST, network_weights, read_checkpoint

SCRIPT = Path(__file__).with_name("two_processes.py")
EARLY = {"freeze_rate": 0.5, "patience": 1, "stop_rate": 0.2, "stop_patience": 1, "warm_up": 0.0}
"""SFAO's settings with which it freezes layers and stops before the last epoch."""
METHOD_OPTIONS: Mapping[str, Mapping[str, float]] = {"sfao": EARLY}
SMALL = {"train_images": 203, "batch_size": 50, "epochs": 4, "threads": 1}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed"),
]


def small() -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]


def options(out: Path, method: str) -> list[str]:
    settings = [f"--method-option={name}={value}" for name, value in METHOD_OPTIONS.get(method, {}).items()]
    return ["--method", method, "--model-option", "width=8", *small(), *settings, "--out", str(out)]


def train(out: Path, *runs: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the script; both of its processes have ended when this returns."""
    words = [word for run in runs for word in ("--", *run)]
    command = [sys.executable, str(SCRIPT), str(out), *words]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    for name in ("WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT"):
        environment.pop(name, None)
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every method, trained for a few steps by two processes; and one without batch statistics."""
    out = tmp_path_factory.mktemp("two")
    done = train(
        out,
        *(options(out / method, method) for method in METHODS.names()),
        ["--method", "float", "--model", "bare", "--augment", "none", *small(), "--out", str(out / "bare")],
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test accuracy") == len(METHODS) + 1, "one process speaks"
    assert done.stderr.count("epoch 1/") == len(METHODS) + 1
    return out


def both(out: Path, run: str) -> tuple[dict[str, Any], dict[str, Any]]:
    one, two = (torch.load(out / f"{run}-rank{rank}.pt", weights_only=True) for rank in (0, 1))
    return one, two


def same(one: object, two: object) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(two, torch.Tensor) and torch.equal(one, two)
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        return one.keys() == two.keys() and all(same(value, two[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(two, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    return one == two


@pytest.mark.parametrize("method", METHODS.names())
def test_both_processes_end_with_the_same_weights_and_decisions(trained: Path, method: str) -> None:
    one, two = both(trained, method)
    assert (one["world"], two["world"]) == (2, 2)
    assert same(one["weights"], two["weights"]), "weights and buffers"
    assert same(one["states"], two["states"]), "what rests, what is frozen, the best epoch"
    assert same(one["rows"], two["rows"]), "figures, flips among them"
    assert one["stopped"] == two["stopped"]
    if method == "sfao":
        assert one["states"]["FlipStop"]["frozen"], "something froze"
        assert len(one["rows"]) < SMALL["epochs"], "the run stopped early"
    saved = network_weights(read_checkpoint(trained / method / LAST))
    assert all(torch.equal(value, one["weights"][f"network.{name}"]) for name, value in saved.items())


@pytest.mark.parametrize("method", METHODS.names())
def test_every_image_counts_once(trained: Path, method: str) -> None:
    result = json.loads((trained / method / "result.json").read_text())
    network, _ = load_run(trained / method)
    digits = load("digits")
    assert evaluate(network, digits, digits.test) == result["test_accuracy"]
    assert evaluate(network, digits, digits.val) == result["val_accuracy"]
    rows = read_rows(trained / method / "metrics.csv")
    assert rows[-1]["step"] == len(rows) * (SMALL["train_images"] // SMALL["batch_size"])
    assert rows[-1]["val_accuracy"] == pytest.approx(result["val_accuracy"], abs=1e-6)
    # Shares of whole batches: 200 of the 203 images are drawn in an epoch, 50 a step.
    assert rows[0]["train_accuracy"] * 200 == pytest.approx(round(rows[0]["train_accuracy"] * 200), abs=1e-3)


def test_without_batch_statistics_two_processes_do_what_one_does(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same images in every step, gradients averaged: equal up to the order of sums."""
    monkeypatch.setitem(MODELS._entries, "bare", Entry("bare", "no batch statistics", Bare))
    out = tmp_path / "one"
    settings = {"method": "float", "model": "bare", "augment": "none", "tensorboard": False, "out": str(out)}
    fit(RunConfig.from_dict({**SMALL, **settings}))
    alone, together = (network_weights(read_checkpoint(run / LAST)) for run in (out, trained / "bare"))
    for name, value in alone.items():
        torch.testing.assert_close(value, together[name], atol=1e-5, rtol=1e-4)
    one, two = (read_rows(run / "metrics.csv") for run in (out, trained / "bare"))
    for figure in ("train_loss", "val_loss", "train_accuracy", "val_accuracy"):
        assert [row[figure] for row in one] == pytest.approx([row[figure] for row in two], rel=1e-4)
