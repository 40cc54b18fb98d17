from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from signbit.callbacks.record import read_rows
from signbit.data import load, normalize
from signbit.errors import ConfigError, DataError, NonFiniteLossError
from signbit.roles import Role, parameter_roles
from signbit.training import RunConfig, RunResult, evaluate, fit, load_run, read_card, resume
from signbit.training.checkpoints import BEST, LAST, network_weights, read_checkpoint
from signbit.training.module import Classifier

ROOT = Path(__file__).parents[2]
QUICK = RunConfig(
    epochs=3, batch_size=128, threads=1, model_options={"width": 8}, tensorboard=False, augment="crop-flip"
)


def quick(out: Path, **changes: Any) -> RunConfig:
    return replace(QUICK, out=str(out), **changes)


def weights(run: Path, checkpoint: str = LAST) -> dict[str, Tensor]:
    return network_weights(read_checkpoint(run / checkpoint))


def assert_same(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    out = tmp_path_factory.mktemp("runs") / "finished"
    return out, fit(replace(QUICK, out=str(out), epochs=8, augment="none", tensorboard=True, batch_size=32))


def test_a_run_learns_and_is_recorded(finished: tuple[Path, RunResult]) -> None:
    out, result = finished
    assert result.test_accuracy > 0.9
    assert result.epochs == 8
    names = {path.name for path in out.iterdir()}
    assert names == {
        "config.yaml", "data.json", "environment.json", "metrics.csv", "metrics.jsonl", "checkpoints", "tensorboard",
        "result.json",
    }  # fmt: skip
    assert {path.name for path in (out / "checkpoints").iterdir()} == {
        "last.ckpt", "best.ckpt", "epoch-7.ckpt", "epoch-8.ckpt",
    }  # fmt: skip
    assert any((out / "tensorboard").glob("events.*"))
    assert json.loads((out / "result.json").read_text()) == result.to_dict()
    environment = json.loads((out / "environment.json").read_text())
    assert environment["packages"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert environment["threads"] == 1
    sha = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    assert environment["commit"] is None if not sha else environment["commit"].removesuffix("-dirty") == sha[:12]
    rows = read_rows(out / "metrics.csv")
    assert [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()] == rows
    assert [row["epoch"] for row in rows] == list(range(8))
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert all(0 < row["sign_flip_rate"] < 1 for row in rows)
    best = max(rows, key=lambda row: row["val_accuracy"])
    assert (result.best_val_accuracy, result.best_epoch) == (best["val_accuracy"], best["epoch"] + 1)
    assert result.val_accuracy == pytest.approx(rows[-1]["val_accuracy"])
    assert result.seconds == pytest.approx(sum(row["seconds"] for row in rows), abs=0.01)
    assert 0 < result.cpu_seconds == pytest.approx(sum(row["cpu_seconds"] for row in rows), abs=0.01)


def test_settings_are_resolved_in_the_record(finished: tuple[Path, RunResult]) -> None:
    _, config = load_run(finished[0])
    assert (config.learning_rate, config.schedule, config.augment) == (3e-2, "cosine", "none")


def test_a_run_is_read_back_as_what_was_evaluated(finished: tuple[Path, RunResult]) -> None:
    out, result = finished
    model, config = load_run(out)
    assert not any(module.training for module in model.modules())
    digits = load(config.data)
    assert read_card(out) == digits.card
    assert evaluate(model, digits, digits.test) == result.test_accuracy
    images = torch.from_numpy(normalize(digits.test.images, digits.mean, digits.std))
    with torch.inference_mode():
        right = (model(images).argmax(1).numpy() == digits.test.labels).sum()
    assert right == round(result.test_accuracy * len(digits.test))
    best, _ = load_run(out, BEST)
    assert evaluate(best, digits, digits.val) == pytest.approx(result.best_val_accuracy)


def test_a_finished_run_is_not_trained_again(finished: tuple[Path, RunResult]) -> None:
    before = (finished[0] / LAST).stat().st_mtime_ns
    assert resume(finished[0]) == finished[1]
    assert (finished[0] / LAST).stat().st_mtime_ns == before


def test_a_folder_in_use_is_refused(finished: tuple[Path, RunResult]) -> None:
    with pytest.raises(ConfigError, match="must be new or empty"):
        fit(quick(finished[0]))


def test_every_image_of_a_split_counts_whatever_the_batch(finished: tuple[Path, RunResult]) -> None:
    model, _ = load_run(finished[0])
    digits = load("digits")
    model.train()
    shares = {evaluate(model, digits, digits.test, batch_size=size) for size in (1, 7, 359, 360, 1000)}
    assert len(shares) == 1
    assert model.training, "the mode is put back"
    with pytest.raises(DataError, match="at least one image"):
        evaluate(model, digits, digits.test.take(np.array([], np.intp)))


@pytest.mark.parametrize("method", ["float", "ste", "bop", "bop2nd"])
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path, method: str) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.rand(3)  # what the process did before plays no part
        fit(quick(tmp_path / name, method=method, seed=seed, epochs=1))
    assert_same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    a, c = weights(tmp_path / "a"), weights(tmp_path / "c")
    assert any(not torch.equal(a[name], c[name]) for name in a)


@pytest.mark.parametrize("method", ["bop", "bop2nd"])
def test_stored_binary_weights_stay_binary(tmp_path: Path, method: str) -> None:
    fit(quick(tmp_path / "run", method=method))
    model, _ = load_run(tmp_path / "run")
    roles = parameter_roles(model)
    binary = [parameter for name, parameter in model.named_parameters() if roles[name] is Role.BINARY]
    assert len(binary) == 3
    assert all((parameter.abs() == 1).all() for parameter in binary)
    rows = read_rows(tmp_path / "run/metrics.csv")
    assert rows[0]["sign_flip_rate"] > 0
    assert all(0 <= row["held_by_threshold"] < 1 for row in rows)
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


def kill_in_second_epoch(config: RunConfig) -> None:
    """Train in a process of its own and kill it."""
    assert config.out is not None
    code = f"from signbit.training import RunConfig, fit; fit(RunConfig.from_dict({config.to_dict()!r}))"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not (Path(config.out) / LAST).exists():
            assert process.poll() is None, "training ended before it could be interrupted"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.kill()
        process.wait(timeout=60)


def press_ctrl_c_in_second_epoch(config: RunConfig) -> None:
    """Train in this process, with the signal that a terminal sends in the middle of a step."""
    handler = signal.getsignal(signal.SIGINT)
    with pytest.MonkeyPatch.context() as patch:
        step = Classifier.training_step

        def interrupted_step(self: Classifier, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            if self.global_step == 14:
                signal.raise_signal(signal.SIGINT)
            return step(self, batch, batch_idx)

        patch.setattr(Classifier, "training_step", interrupted_step)
        with pytest.raises(KeyboardInterrupt):
            fit(config)
    assert signal.getsignal(signal.SIGINT) is handler, "a second Ctrl-C must work too"


@pytest.mark.parametrize(
    ("method", "stop"),
    [
        ("ste", press_ctrl_c_in_second_epoch),
        ("bop2nd", kill_in_second_epoch),
        ("cyclebnn+sfao", press_ctrl_c_in_second_epoch),
    ],
)
def test_an_interrupted_run_ends_with_the_same_weights(
    tmp_path: Path, method: str, stop: Callable[[RunConfig], None]
) -> None:
    whole = fit(quick(tmp_path / "whole", method=method, epochs=5))
    stop(quick(tmp_path / "broken", method=method, epochs=5))
    assert not (tmp_path / "broken" / "result.json").exists()
    load_run(tmp_path / "broken")
    resumed = resume(tmp_path / "broken")
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "broken"))
    assert_same(weights(tmp_path / "whole", BEST), weights(tmp_path / "broken", BEST))
    assert (resumed.test_accuracy, resumed.best_epoch) == (whole.test_accuracy, whole.best_epoch)
    figures = []
    for run in ("whole", "broken"):
        rows = read_rows(tmp_path / run / "metrics.csv")
        figures.append([{key: value for key, value in row.items() if "seconds" not in key} for row in rows])
    assert figures[0] == figures[1]


# torch warns about itself while it traces an autograd.Function.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_compiled_training_follows_eager_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[dict[str, Any]] = []

    def eager_backend(function: Any, **options: Any) -> Any:
        """Trace without graph breaks, as asked, but skip the slow generation of code."""
        compiled.append(options)
        return real(function, backend="eager", **options)

    real = torch.compile
    monkeypatch.setattr(torch, "compile", eager_backend)
    fit(quick(tmp_path / "eager", epochs=1))
    fit(quick(tmp_path / "compiled", epochs=1, compile=True))
    assert compiled == [{"fullgraph": True, "dynamic": False}]
    assert_same(weights(tmp_path / "eager"), weights(tmp_path / "compiled"))


def test_bf16_keeps_weights_in_float32(tmp_path: Path) -> None:
    fit(quick(tmp_path / "run", precision="bf16", epochs=1))
    assert {value.dtype for value in weights(tmp_path / "run").values()} == {torch.float32, torch.int64}
    with_fp32 = fit(quick(tmp_path / "fp32", epochs=1))
    assert with_fp32.epochs == 1
    assert any(
        not torch.equal(value, weights(tmp_path / "fp32")[name]) for name, value in weights(tmp_path / "run").items()
    )


def test_threads_are_put_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    fit(quick(tmp_path / "run", epochs=1, threads=before + 1))
    assert torch.get_num_threads() == before


class Exploding(nn.Module):
    """Logits that become NaN at the third step."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.steps = network, 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += self.training
        logits: Tensor = self.network(x)
        return logits * (float("nan") if self.steps >= 3 else 1.0)


def test_a_loss_that_is_not_finite_names_its_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from signbit.training import folder

    build = folder.create_model
    monkeypatch.setattr(folder, "create_model", lambda *args, **options: Exploding(build(*args, **options)))
    with pytest.raises(NonFiniteLossError, match=r"in epoch 1, step 2 of the run.*lower --learning-rate"):
        fit(quick(tmp_path / "run"))
    assert not (tmp_path / "run" / LAST).exists(), "no checkpoint of a broken network"


def test_wrong_optimizer_settings_are_named_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no setting 'tua'; did you mean tau"):
        fit(quick(tmp_path / "run", method="bop", optimizer={"tua": 1e-6}))
    with pytest.raises(ConfigError, match="'learning_rate'; remove 'lr'"):
        fit(quick(tmp_path / "run", optimizer={"lr": 0.1}))
    with pytest.raises(ConfigError, match=r"batch_size must be 1 \.\. 1293"):
        fit(quick(tmp_path / "run", batch_size=2000))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda _: b"", lambda _: b"not a checkpoint"])
def test_damaged_checkpoints_are_named(finished: tuple[Path, RunResult], tmp_path: Path, damage: Any) -> None:
    run = tmp_path / "copy"
    (run / "checkpoints").mkdir(parents=True)
    for name in ("config.yaml", "data.json"):
        (run / name).write_bytes((finished[0] / name).read_bytes())
    with pytest.raises(DataError, match="there is no checkpoint"):
        load_run(run)
    (run / LAST).write_bytes(damage((finished[0] / LAST).read_bytes()))
    with pytest.raises(DataError, match=r"last\.ckpt is damaged or not ours"):
        load_run(run)


class Hostile:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch hostile",)


def test_checkpoints_cannot_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Hostile()}, tmp_path / "x.ckpt")
    with pytest.raises(DataError, match="damaged or not ours"):
        read_checkpoint(tmp_path / "x.ckpt")
    assert not Path("hostile").exists()


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    for read in (load_run, resume):
        with pytest.raises(ConfigError, match="is not the folder of a run"):
            read(tmp_path)
