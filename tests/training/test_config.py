from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from signbit.errors import ConfigError, UnknownNameError
from signbit.training import RunConfig
from signbit.training.rates import SHAPES, rate_shape


def test_a_config_survives_yaml_and_plain_data(tmp_path: Path) -> None:
    config = RunConfig(
        method="bop2nd", optimizer={"tau": 1e-8}, learning_rate=1e-3, data_dir="somewhere", seed=7, threads=1
    )
    config.to_yaml(tmp_path / "config.yaml")
    assert RunConfig.from_yaml(tmp_path / "config.yaml") == config
    assert RunConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"epoch": 3}, "unknown setting 'epoch'; did you mean 'epochs'"),
        ({"epochs": 0}, "'epochs' must be at least 1; got 0"),
        ({"epochs": 1.5}, "'epochs' must be an integer; got 1.5"),
        ({"epochs": True}, "'epochs' must be an integer; got True"),
        ({"epochs": None}, "'epochs' must be an integer; got None"),
        ({"epochs": "3"}, "'epochs' must be an integer; got '3'"),
        ({"seed": -1}, "'seed' must be at least 0"),
        ({"threads": 0}, "'threads' must be at least 1"),
        ({"batch_size": 0}, "'batch_size' must be at least 1"),
        ({"learning_rate": 0}, "'learning_rate' must be a positive number"),
        ({"learning_rate": float("nan")}, "'learning_rate' must be a positive number"),
        ({"learning_rate": "fast"}, "'learning_rate' must be a number or an integer or nothing; got 'fast'"),
        ({"devices": 0}, "'devices' must be at least 1"),
        ({"nodes": 0}, "'nodes' must be at least 1"),
        ({"keep_checkpoints": 0}, "'keep_checkpoints' must be at least 1"),
        ({"strategy": "fsdp"}, "'strategy' must be one of ddp, ddp_find_unused_parameters_true; got 'fsdp'"),
        ({"precision": "fp16"}, "'precision' must be one of fp32, bf16; got 'fp16'"),
        ({"compile": 1}, "'compile' must be true or false; got 1"),
        ({"optimizer": [1]}, "'optimizer' must be name: value pairs"),
    ],
)
def test_wrong_settings_are_named(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        RunConfig.from_dict(raw)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"method": "bop2"}, "unknown method 'bop2'; did you mean bop"),
        ({"model": "resnet-20"}, "unknown model 'resnet-20'; did you mean resnet20"),
        ({"data": "cifar"}, "unknown data set 'cifar'; did you mean cifar10"),
        ({"schedule": "cosin"}, "unknown learning-rate schedule 'cosin'; did you mean cosine"),
        ({"augment": "crop"}, "unknown augmentation 'crop'; did you mean crop-flip"),
    ],
)
def test_unknown_names_get_close_matches(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownNameError) as error:
        RunConfig.from_dict(raw)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("[1, 2]", "must hold 'name: value' lines; got list"), ("a: [", "is not valid YAML"), ("", "got NoneType")],
)
def test_wrong_yaml_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        RunConfig.from_yaml(path)
    assert message in str(error.value)
    with pytest.raises(ConfigError, match="cannot read settings"):
        RunConfig.from_yaml(tmp_path / "none.yaml")


def test_numbers_without_a_point_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("learning_rate: 1e-3\noptimizer: {gamma: 1E-7, tau: -.5e+2, sigma: 1.e-3}\nmodel: 1e\n")
    with pytest.raises(UnknownNameError, match="unknown model '1e'"):
        RunConfig.from_yaml(path)
    path.write_text(path.read_text().replace("model: 1e", "out: 1e-3x"))
    config = RunConfig.from_yaml(path)
    assert (config.learning_rate, config.out) == (1e-3, "1e-3x")
    assert config.optimizer == {"gamma": 1e-7, "tau": -50.0, "sigma": 1e-3}


@pytest.mark.parametrize("name", SHAPES.names())
@pytest.mark.parametrize("steps", [2, 3, 10, 999])
def test_rate_shapes_stay_between_zero_and_the_peak(name: str, steps: int) -> None:
    shape = rate_shape(name, steps)
    # torch asks for one step more than there are.
    values = [shape(step) for step in range(steps + 1)]
    assert max(values) == 1.0
    assert min(values) >= 0
    if name != "constant":
        assert values[-1] < 1e-4
    if name == "one-cycle":
        peak = values.index(1.0)
        assert peak == max(1, round(0.3 * steps))
        assert values == sorted(values[: peak + 1]) + sorted(values[peak + 1 :], reverse=True)
