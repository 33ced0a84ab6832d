"""Changes of a config, as scripts and the command line give them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from napari_segtrain.config import (
    DataConfig,
    ExperimentConfig,
    InferenceConfig,
    load_yaml,
    only_asked,
    parse_experiment,
)
from napari_segtrain.config.problems import explain_problems
from napari_segtrain.errors import ConfigError

_SOURCE = "the settings"
_LENGTHS = {
    "time_budget": ("time-budget", "seconds"),
    "epochs": ("epochs", "epochs"),
    "iterations": ("iterations", "iterations"),
}
_WHOLE = {"classes", "class_weights"}
"""Settings that are replaced as a whole, although they are mappings."""


def load_config(path: Path) -> ExperimentConfig:
    """Read a YAML file; a relative ``data.snapshot`` is looked for beside it.

    Raises
    ------
    ConfigError
        When the file cannot be read or a value is not allowed.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The config {path} cannot be read ({_reason(error)}); write one with "
            "'segtrain init'."
        ) from error
    config = parse_experiment(load_yaml(text, source=str(path)), source=str(path))
    snapshot = config.data.snapshot
    if snapshot is None or snapshot.is_absolute():
        return config
    beside = Path(os.path.abspath(path)).parent / snapshot  # noqa: PTH100 - keeps links
    data = config.data.model_copy(update={"snapshot": beside})
    return config.model_copy(update={"data": data})


def _reason(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "it is no text" if isinstance(error, UnicodeDecodeError) else str(error)


def merge_settings(
    config: ExperimentConfig, settings: dict[str, Any]
) -> ExperimentConfig:
    """Change some settings of a config, section by section.

    Of the network, it stays known which settings were asked for
    (``model_fields_set``): a training that goes on from a model takes over the others.

    Raises
    ------
    ConfigError
        When a setting does not exist or its value is not allowed.
    """
    if not settings:
        return config
    values = config.model_dump(mode="python")
    merged = parse_experiment(_merged(values, settings), source=_SOURCE)
    changes = settings.get("network", {})
    if not isinstance(changes, dict):  # replaced as a whole
        return merged
    asked = set(changes)
    if type(merged.network) is type(config.network):
        asked |= config.network.model_fields_set
    network = only_asked(merged.network, asked)
    return merged.model_copy(update={"network": network})


def parse_data(values: dict[str, Any]) -> DataConfig:
    """Check settings of the data section.

    Raises
    ------
    ConfigError
        When a setting does not exist or its value is not allowed.
    """
    return parse_experiment({"data": values}, source=_SOURCE).data


def parse_inference(values: dict[str, Any]) -> InferenceConfig:
    """Check settings of a prediction.

    Raises
    ------
    ConfigError
        When a setting does not exist or its value is not allowed.
    """
    try:
        return InferenceConfig.model_validate(values)
    except ValidationError as error:
        problems = explain_problems(error, InferenceConfig)
        raise ConfigError(f"{_SOURCE}: {problems}.") from error


def expand_length(settings: dict[str, Any]) -> dict[str, Any]:
    """Replace ``time_budget``, ``epochs`` or ``iterations`` by what they stand for.

    Parameters
    ----------
    settings : dict
        Sections of the config, and at most one of the three (``None`` is not given).

    Raises
    ------
    ConfigError
        When the length is given more than once.
    """
    given = {k: settings[k] for k in _LENGTHS if settings.get(k) is not None}
    rest = {key: value for key, value in settings.items() if key not in _LENGTHS}
    if not given:
        return rest
    if len(given) > 1:
        names = " and ".join(name.replace("_", "-") for name in given)
        raise ConfigError(f"The length is given more than once, by {names}; give one.")
    ((name, value),) = given.items()
    kind, key = _LENGTHS[name]
    training = {**rest.get("training", {}), "length": {"kind": kind, key: value}}
    return {**rest, "training": training}


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and key not in _WHOLE:
            name = value.get("name", old.get("name"))
            is_another = "kind" in value or name != old.get("name")
            result[key] = value if is_another else _merged(old, value)
        else:
            result[key] = value
    return result
