"""Full disks, damaged checkpoints, numbers that are not finite, Ctrl-C: what is said, and what is left."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from signbit.cli import main
from signbit.errors import ConfigError, DataError, NonFiniteLossError, WriteError
from signbit.training import RunConfig, fit, folder, load_run, resume
from signbit.training.checkpoints import BEST, LAST, network_weights, newest_usable, read_checkpoint
from signbit.training.diagnosis import first_not_finite
from signbit.training.module import Classifier
from tests.locked_folder import held_by_another_process

SHORT = RunConfig(
    epochs=4, batch_size=50, train_images=300, threads=1, model_options={"width": 8}, tensorboard=False, augment="none"
)


def weights(path: Path) -> dict[str, Tensor]:
    return network_weights(read_checkpoint(path))


def assert_same(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, to compare with and to damage copies of."""
    out = tmp_path_factory.mktemp("whole") / "run"
    fit(replace(SHORT, out=str(out)))
    return out


def test_weights_of_another_network_are_named(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    replace(folder.read_config(run), model_options={"width": 16}).to_yaml(run / folder.CONFIG)
    with pytest.raises(DataError, match=r"last\.ckpt does not hold the weights of the network .*size mismatch"):
        load_run(run)


def test_one_process_trains_a_run(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / folder.RESULT).unlink()
    with held_by_another_process(run):
        assert main(["train", "--resume", str(run)]) == 2
        assert "another process is training in" in capsys.readouterr().err
    resume(run)
    assert_same(weights(run / LAST), weights(whole / LAST))


def stopped_before(step: int, config: RunConfig, stop: Callable[[], Any]) -> None:
    """Train up to a step, and do something there."""
    with pytest.MonkeyPatch.context() as patch:
        real = Classifier.training_step

        def training_step(self: Classifier, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            if self.global_step == step:
                stop()
            return real(self, batch, batch_idx)

        patch.setattr(Classifier, "training_step", training_step)
        fit(config)


def can_mount() -> bool:
    """Whether this machine lets us mount a file system of our own."""
    command = ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_full_and_a_read_only_disk_end_a_run_that_goes_on_later(tmp_path: Path, whole: Path) -> None:
    if not can_mount():
        pytest.skip("mounting a small file system is not allowed here")
    disk, config = tmp_path / "disk", tmp_path / "settings.yaml"
    disk.mkdir()
    replace(SHORT, tensorboard=True).to_yaml(config)
    script = Path(__file__).with_name("full_disk.py")
    command = ["unshare", "-m", sys.executable, str(script), str(disk), str(config)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])

    full = report["full"]
    assert full["code"] == 2
    (said,) = full["said"]
    assert "No space left on device" in said
    assert f"signbit train --resume {disk / 'run'} goes on once there is room" in said
    assert {"last.ckpt", "best.ckpt", "epoch-2.ckpt"} <= set(report["files"])
    assert not any(name.startswith(".") for name in report["files"]), "no half-written file is left"

    for way in ("read_only", "read_only_new"):
        assert report[way]["code"] == 2
        (said,) = report[way]["said"]
        assert "Read-only file system; choose a folder that exists, is writable and has room" in said
    assert report["eval"]["code"] == 0
    assert report["room"]["code"] == 0
    assert_same(weights(disk.with_suffix(".ckpt")), weights(whole / LAST))


def test_a_file_that_may_not_grow_ends_a_run_that_goes_on_later(tmp_path: Path, whole: Path) -> None:
    """The operating system refuses to write, as on a full disk, wherever tests run."""
    config = replace(SHORT, out=str(tmp_path / "run"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (whole / LAST).stat().st_size

    def allow(octets: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))

    try:
        with pytest.raises(WriteError, match=r"\.ckpt: File too large.* --resume .*/run goes on once there is room"):
            stopped_before(14, config, lambda: allow(size // 2))
    finally:
        allow(soft)
    run = tmp_path / "run"
    assert {path.name for path in (run / "checkpoints").iterdir()} == {
        "last.ckpt", "best.ckpt", "epoch-1.ckpt", "epoch-2.ckpt",
    }  # fmt: skip
    assert not (run / "result.json").exists()
    resume(run)
    assert_same(weights(run / LAST), weights(whole / LAST))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    for out in (tmp_path / "file" / "run", Path("/proc/signbit/run")):
        assert main(["train", "--epochs", "1", "--out", str(out)]) == 2
        assert f"signbit: cannot write {out}: " in capsys.readouterr().err


def test_a_damaged_checkpoint_costs_an_epoch(tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / "result.json").unlink()
    damaged = bytearray((run / LAST).read_bytes())
    place = damaged.index(next(iter(weights(run / LAST).values())).numpy().tobytes())
    damaged[place] ^= 1
    (run / LAST).write_bytes(damaged)
    shutil.copyfile(run / LAST, run / "checkpoints" / "epoch-4.ckpt")
    with pytest.raises(DataError, match=r"last\.ckpt is damaged or not ours: wrong check sum"):
        load_run(run)
    assert newest_usable(run)[0] == run / "checkpoints" / "epoch-3.ckpt"
    resume(run)
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert len(notes) == 2
    assert all("is damaged" in line and "goes on from" in line and line.endswith("epoch-3.ckpt") for line in notes)
    assert_same(weights(run / LAST), weights(whole / LAST))

    (run / "result.json").unlink()
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"last\.ckpt is damaged"):
        resume(run)


@pytest.mark.parametrize("keep", [1, 3])
def test_the_last_epochs_are_kept(tmp_path: Path, keep: int) -> None:
    fit(replace(SHORT, out=str(tmp_path / "run"), keep_checkpoints=keep, epochs=10, train_images=50, batch_size=50))
    numbered = {path.name for path in (tmp_path / "run" / "checkpoints").glob("epoch-*")}
    assert numbered == ({"epoch-8.ckpt", "epoch-9.ckpt", "epoch-10.ckpt"} if keep == 3 else set())
    epochs = [read_checkpoint(tmp_path / "run" / "checkpoints" / name)["epoch"] for name in sorted(numbered)]
    assert epochs == ([9, 7, 8] if keep == 3 else [])


def test_what_is_left_before_a_run_is_one_does_not_stand_in_the_way(tmp_path: Path, whole: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("data.json", ".config.0123456789abcdef.yaml"):
        (run / name).write_text("half")
    config = replace(SHORT, epochs=1, out=str(run))
    fit(config)
    assert not list(run.glob(".*"))
    other = tmp_path / "other"
    shutil.copytree(whole, other)
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="must be new or empty"):
        fit(replace(config, out=str(other)))


class Bursting(nn.Module):
    """A layer whose output becomes infinite at its ``step``-th training step."""

    def __init__(self, layer: nn.Module, step: int) -> None:
        super().__init__()
        self.layer, self.step, self.steps = layer, step, 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += self.training
        y: Tensor = self.layer(x)
        return torch.where(y > 0, y / 0, y) if self.steps > self.step else y


def test_the_layer_that_is_first_not_to_be_finite_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = folder.create_model

    def bursting(*args: Any, **options: Any) -> nn.Module:
        network = build(*args, **options)
        network.pool = Bursting(network.pool, step=8)
        return network

    monkeypatch.setattr(folder, "create_model", bursting)
    with pytest.raises(NonFiniteLossError, match=r"epoch 2, step 8 of .*the output of layer 'pool' \(Bursting\)"):
        fit(replace(SHORT, out=str(tmp_path / "run"), method="float"))
    assert read_checkpoint(tmp_path / "run" / LAST)["global_step"] == 6, "the epoch before is intact"


class BrokenByAnUpdate(nn.Module):
    """A layer that computes infinity from its ``step``-th update on, but trains as if nothing had happened."""

    def __init__(self, layer: nn.Module, step: int) -> None:
        super().__init__()
        self.layer, self.step, self.steps = layer, step, 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += self.training
        y: Tensor = self.layer(x)
        return y if self.training or self.steps < self.step else torch.full_like(y, torch.inf)


def test_what_the_last_update_of_an_epoch_breaks_is_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = folder.create_model

    def broken(*args: Any, **options: Any) -> nn.Module:
        network = build(*args, **options)
        network.pool = BrokenByAnUpdate(network.pool, step=12)
        return network

    monkeypatch.setattr(folder, "create_model", broken)
    says = r"the validation loss .* epoch 2, step 11 of .*the output of layer 'pool' \(BrokenByAnUpdate\)"
    with pytest.raises(NonFiniteLossError, match=says):
        fit(replace(SHORT, out=str(tmp_path / "run"), method="float"))
    assert read_checkpoint(tmp_path / "run" / LAST)["global_step"] == 6, "the epoch before is intact"


def test_a_run_that_diverges_says_where(tmp_path: Path) -> None:
    with pytest.raises(
        NonFiniteLossError, match=r"epoch 1, step \d .* 3e\+37; the first not to be finite was .* of layer"
    ):
        fit(replace(SHORT, out=str(tmp_path / "run"), method="float", learning_rate=3e37, schedule="constant"))


def test_pixels_weights_and_outputs_are_looked_at_in_this_order() -> None:
    network = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1))
    images, nan = torch.zeros(1, 2), float("nan")
    assert first_not_finite(network, images) is None
    network[0].weight.data.fill_(1e38)
    assert first_not_finite(network, images + 1e38) == "the output of layer '0' (Linear)"
    network[1].bias.data.fill_(nan)
    assert first_not_finite(network, images) == "'bias' of layer '1' (Linear), since the step before"
    assert first_not_finite(network, images + nan) == "a pixel of the images"


def test_ctrl_c_leaves_a_run_that_can_be_evaluated_and_resumed(
    tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, config = tmp_path / "run", tmp_path / "settings.yaml"
    SHORT.to_yaml(config)
    with pytest.raises(KeyboardInterrupt):
        stopped_before(8, replace(SHORT, out=str(run)), lambda: signal.raise_signal(signal.SIGINT))
    assert main(["eval", str(run), "--data", "digits"]) == 0
    assert main(["train", "--resume", str(run)]) == 0
    assert "test accuracy" in capsys.readouterr().out
    assert_same(weights(run / LAST), weights(whole / LAST))


def test_the_best_epoch_stays_the_best_when_the_folder_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In training that is interrupted in the third epoch and goes on somewhere else, the second stays the best."""
    run, moved = tmp_path / "run", tmp_path / "moved"
    real = Classifier._log_and_reset

    def scripted(self: Classifier, name: str) -> None:
        if name == "val_accuracy":
            self.log(name, torch.tensor((0.5, 0.75, 0.25, 0.75)[self.current_epoch]))
            self.val_accuracy.reset()
        else:
            real(self, name)

    monkeypatch.setattr(Classifier, "_log_and_reset", scripted)
    with pytest.raises(KeyboardInterrupt):
        stopped_before(14, replace(SHORT, out=str(run)), lambda: signal.raise_signal(signal.SIGINT))
    run.rename(moved)
    assert resume(moved).best_epoch == 2
    assert read_checkpoint(moved / BEST)["epoch"] == 1
    assert str(tmp_path) not in str(read_checkpoint(moved / LAST)["callbacks"])


def test_a_run_resumed_elsewhere_says_so(tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / "result.json").unlink()
    resume(run)
    assert "resumed" not in json.loads((run / "environment.json").read_text())
    (run / "result.json").unlink()
    monkeypatch.setattr("signbit.training.environment._cpu_name", lambda: "another processor")
    resume(run)
    environment = json.loads((run / "environment.json").read_text())
    assert [place["cpu"] for place in environment["resumed"]] == ["another processor"]
    assert environment["cpu"] != "another processor"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"devices": 2, "out": None}, "2 processes must agree on the folder of the run; give its name with --out"),
        ({"devices": 2, "method": "sfao", "strategy": "ddp"}, "'sfao' freezes layers, which strategy 'ddp' cannot"),
        ({"devices": 3, "nodes": 2, "batch_size": 50}, "50 cannot be divided among 6 processes; give a multiple of 6"),
    ],
)
def test_what_several_processes_cannot_do_is_refused_before_they_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], says: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ConfigError, match=says):
        fit(replace(SHORT, **{"out": str(tmp_path / "run"), **settings}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("variable", ["WORLD_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_one_of_several_processes_does_not_train_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "4")
    with pytest.raises(ConfigError, match="4 processes have been started, but devices x nodes of the run is 1"):
        fit(replace(SHORT, out=str(tmp_path / "run")))
    assert list(tmp_path.iterdir()) == []
