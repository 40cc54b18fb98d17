"""What a comparison will run, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_folders import write_run

from signbit.compare.plan import folder_of, method_settings, plan, recipe_settings, unfinished
from signbit.errors import ConfigError, UnknownNameError


def test_methods_times_models_times_seeds(tmp_path: Path) -> None:
    settings = method_settings(["ste", "si-bnn+sfao"], ["convnet-tiny", "binarynet"])
    configs = plan(settings, {"epochs": 3, "data": "digits"}, seeds=2, threads=1, out=tmp_path)
    assert [folder_of(config).name for config in configs[:4]] == [
        "convnet-tiny-ste-s0", "convnet-tiny-si-bnn+sfao-s0", "binarynet-ste-s0", "binarynet-si-bnn+sfao-s0",
    ]  # fmt: skip
    assert len(configs) == 8
    assert {(c.epochs, c.data, c.threads) for c in configs} == {(3, "digits", 1)}
    assert {folder_of(c).parent for c in configs} == {tmp_path / "runs"}


def test_recipes_by_pattern_keep_their_settings(tmp_path: Path) -> None:
    settings = recipe_settings(["cifar10/resnet20-*-quick", "cifar10/resnet20-ste-quick"])
    assert len(settings) == 8
    configs = {folder_of(c).name: c for c in plan(settings, {"epochs": 1}, seeds=1, threads=2, out=tmp_path)}
    assert configs["resnet20-cyclebnn-quick-s0"].model_options["shortcuts"] == "block"
    assert {(c.data, c.epochs) for c in configs.values()} == {("cifar10", 1)}
    with pytest.raises(UnknownNameError):
        recipe_settings(["cifar11/*"])


def test_recipes_of_one_name_are_two_rows(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "quick.yaml").write_text("epochs: 1")
    other = tmp_path / "other.yaml"
    other.write_text("epochs: 1")
    found = recipe_settings([str(tmp_path / "a" / "quick.yaml"), str(tmp_path / "b" / "quick.yaml"), str(other)])
    first, second, third = found
    assert (first.endswith("-a-quick"), second.endswith("-b-quick"), third) == (True, True, "other")
    assert "/" not in first


def test_nothing_and_nonsense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to compare"):
        plan({}, {}, 1, 1, tmp_path)
    with pytest.raises(UnknownNameError, match="did you mean ste"):
        plan(method_settings(["stee"], ["convnet-tiny"]), {}, 1, 1, tmp_path)


def test_finished_runs_are_not_planned_again_and_other_runs_not_overwritten(tmp_path: Path) -> None:
    settings = method_settings(["ste", "bop"], ["convnet-tiny"])
    write_run(tmp_path / "runs" / "convnet-tiny-ste-s0", method="ste")
    configs = plan(settings, {"epochs": 2}, 1, 1, tmp_path)
    assert [config.method for config in unfinished(configs)] == ["bop"]
    with pytest.raises(ConfigError, match="a run with epochs 2, this comparison asks for 3; choose another"):
        plan(settings, {"epochs": 3}, 1, 1, tmp_path)
