"""What a study may vary: ranges say what they are, and what is nearly one is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from optuna.trial import FixedTrial

from signbit.compare.check import check_run
from signbit.data import Dataset, Split, load
from signbit.errors import ConfigError, UnknownNameError
from signbit.studies import find, names
from signbit.sweep import StudyDefinition
from signbit.sweep.ranges import Choice, Range, filled, from_text, parse, parts
from signbit.training import RunConfig


@pytest.mark.parametrize(
    ("text", "raw", "expected"),
    [
        ("log:1e-9:1e-4", {"log": [1e-9, 1e-4]}, Range("k", 1e-9, 1e-4, False, True)),
        ("float:0:1", {"float": [0, 1]}, Range("k", 0, 1, False, False)),
        ("float:0:1:0.25", {"float": [0, 1], "step": 0.25}, Range("k", 0, 1, False, False, 0.25)),
        ("int:16:64:16", {"int": [16, 64], "step": 16}, Range("k", 16, 64, True, False, 16)),
        ("log_int:1:1000", {"log_int": [1, 1000]}, Range("k", 1, 1000, True, True)),
        ("choice:a,2,true", {"choice": ["a", 2, True]}, Choice("k", {"a": "a", "2": 2, "true": True})),
    ],
)
def test_a_range_as_text_and_as_yaml(text: str, raw: dict[str, Any], expected: Range | Choice) -> None:
    assert parse("k", from_text("k", text)) == parse("k", raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        {"log": [0, 1]}, {"log": [1e-4, 1e-9]}, {"float": [1, 1]}, {"float": [0]}, {"float": "0:1"}, {"int": [1.5, 3]},
        {"int": [1, 4], "step": 0}, {"int": [1, 4], "step": 9}, {"log": [1, 9], "step": 1}, {"float": [True, 2]},
        {"float": [0, float("inf")]}, {"float": [0, "one"]}, {"log": ["1e-9", 1]}, {"choice": []}, {"choice": 3},
        {"choice": [1, "1"]},
        {"float": [0, 1], "int": [0, 1]}, {"float": [0, 1], "high": 2},
    ],
)  # fmt: skip
def test_what_is_nearly_a_range_is_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="parameter 'k'"):
        parse("k", raw)


@pytest.mark.parametrize("text", ["log", "log:1", "lin:0:1", "choice:", "int:1:2:3:4"])
def test_text_that_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="KIND:LOW:HIGH"):
        from_text("k", text)


def test_text_that_is_no_yaml_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"parameter 'k': '\[1' is no value as YAML writes it"):
        from_text("k", "choice:[1,2]")


def test_an_option_may_hold_ranges_which_only_it_has() -> None:
    template = parse(
        "tau", {"choice": {"still": {"log": [1e-9, 1e-4]}, "line": {"linear": {"start": {"log": [1, 2]}}}}}
    )
    assert [part.name for part in parts(template)] == ["tau", "tau.still", "tau.line.linear.start"]
    assert filled(template, FixedTrial({"tau": "still", "tau.still": 1e-5})) == 1e-5
    line = FixedTrial({"tau": "line", "tau.line.linear.start": 1.5})
    assert filled(template, line) == {"linear": {"start": 1.5}}


def test_settings_of_a_trial() -> None:
    optimizer = {"eps": 1e-8, "tau": 1.0}
    parameters = {
        "optimizer.tau": {"log": [1e-9, 1e-4]}, "batch_size": {"int": [16, 64], "step": 16},
        "model_options.norm": {"choice": ["batch", "layer"]},
    }  # fmt: skip
    study = StudyDefinition("s", {"method": "bop2nd", "optimizer": optimizer}, parameters)
    trial = FixedTrial({"optimizer.tau": 1e-6, "batch_size": 48, "model_options.norm": "layer"})
    expected = RunConfig(
        method="bop2nd", optimizer={"eps": 1e-8, "tau": 1e-6}, batch_size=48, model_options={"norm": "layer"}, out="x"
    )
    assert study.config(trial, out="x") == expected
    assert optimizer == {"eps": 1e-8, "tau": 1.0}, "the study's own settings stay what they were"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "needs 'parameters'"),
        ({"learning_rat": {"log": [1, 2]}}, "did you mean learning_rate"),
        ({"out": {"choice": ["a", "b"]}}, "no setting 'out'"),
        ({"optimizer": {"log": [1, 2]}}, "take a dotted setting"),
        ({"epochs.a": {"int": [1, 2]}}, "take a dotted setting"),
        ({"epochs": 3}, "has no range"),
        ({"epochs": {"int": [1, 2], "as": "n"}, "seed": {"int": [1, 3], "as": "n"}}, "stands for two ranges"),
    ],
)
def test_parameters_that_make_no_study(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StudyDefinition("s", {}, parameters)


@pytest.mark.parametrize(("key", "value"), [("trials", 0), ("seed", -1), ("trials", True)])
def test_numbers_of_a_study(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=key):
        StudyDefinition("s", {}, {"epochs": {"int": [1, 2]}}, **{key: value})


def test_a_grid_is_as_long_as_it_has_points() -> None:
    options = {"batch_size": {"choice": [20, 30]}, "learning_rate": {"float": [0.1, 0.3], "step": 0.1}}
    assert StudyDefinition("s", {}, options, sampler="grid").size == 6
    assert StudyDefinition("s", {}, options, sampler="grid", trials=4).size == 4
    assert StudyDefinition("s", {}, options, trials=9).size == 9
    with pytest.raises(ConfigError, match="a grid needs choices"):
        StudyDefinition("s", {}, {"learning_rate": {"log": [0.1, 0.3]}}, sampler="grid")


def test_a_study_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("epochs: 7\nbatch_size: 32\n")
    file = tmp_path / "rates.yaml"
    content = {"recipe": "base.yaml", "settings": {"batch_size": 16}, "parameters": {"learning_rate": {"log": [1, 2]}}}
    file.write_text(yaml.safe_dump(content))
    study = StudyDefinition.from_yaml(file, epochs=3)
    assert (study.name, study.trials, study.sampler, study.pruner) == ("rates", 50, "tpe", "median")
    assert (study.settings["epochs"], study.settings["batch_size"]) == (3, 16)
    file.write_text("parametres: {}")
    with pytest.raises(ConfigError, match="did you mean parameters"):
        StudyDefinition.from_yaml(file)
    file.write_text("parameters: {epochs: {int: [1, 2]}}\nsampler: tea\n")
    with pytest.raises(UnknownNameError, match="tpe"):
        StudyDefinition.from_yaml(file)
    for line, message in (
        ("settings: 3", "'settings' are those of a run"),
        ("name: 3", "text without a slash; got 3"),
        ("name: ../elsewhere", "text without a slash"),
        ("sampler: [tpe]", "unknown sampler"),
    ):
        file.write_text(f"parameters: {{epochs: {{int: [1, 2]}}}}\n{line}\n")
        with pytest.raises(ConfigError, match=message):
            StudyDefinition.from_yaml(file)
    with pytest.raises(ConfigError, match="cannot read settings"):
        StudyDefinition.from_yaml(tmp_path / "none.yaml")


def test_the_study_on_the_page(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "sweep.md").read_text()
    file = tmp_path / "study.yaml"
    file.write_text(page.split("```yaml\n")[1].split("```")[0])
    trial = FixedTrial({"learning_rate": 1e-2, "schedule of tau": "line", "tau": 1e-6})
    settings = StudyDefinition.from_yaml(file).config(trial).optimizer
    assert settings == {"tau": {"linear": {"start": 1e-6, "stop": 1e-9}}}


@pytest.mark.parametrize("name", names())
def test_every_option_of_a_shipped_study_is_a_run_that_could_start(name: str) -> None:
    study = StudyDefinition.from_yaml(find(name))
    digits = load("digits")
    black = Split(np.zeros((200, 3, 32, 32), np.uint8), np.zeros(200, np.int64))
    data = Dataset("cifar10", black, black, black, digits.classes, (0.5,) * 3, (0.5,) * 3, "RGB")
    ranges = study.ranges()
    middle = {n: r.high if isinstance(r, Range) else next(iter(r.options)) for n, r in ranges.items()}
    for choice in (part for part in ranges.values() if isinstance(part, Choice)):
        for option in choice.options:
            check_run(study.config(FixedTrial({**middle, choice.name: option}), out="x", tensorboard=False), data)
    assert study.about
