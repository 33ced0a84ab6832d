"""Changes of a config, as scripts and the command line give them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from napari_segtrain.config import (
    DataConfig,
    EvaluationConfig,
    ExperimentConfig,
    InferenceConfig,
    SeparationConfig,
    VolumeConfig,
    load_yaml,
    only_asked,
    parse_experiment,
)
from napari_segtrain.config.kinds import Kinds, kinds_of
from napari_segtrain.config.problems import explain_problems
from napari_segtrain.errors import ConfigError

C = TypeVar("C", bound=BaseModel)

_SOURCE = "the settings"
_LENGTHS = {
    "time_budget": ("time-budget", "seconds"),
    "epochs": ("epochs", "epochs"),
    "iterations": ("iterations", "iterations"),
}
_BY_NAME = "class_weights"
"""Setting that is replaced as a whole: its keys may be names of classes."""
_APART = {"length", "validation"}
"""Settings whose kinds have nothing to do with each other."""
_AMBIGUOUS = {"alpha"}
"""Settings that mean different things in the kinds that have them."""


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

    Where another kind is chosen, such as another network, it takes over what was set
    of the old one. Of the network, it stays known which settings were asked for
    (``model_fields_set``): a training that goes on from a model takes over the others.

    Raises
    ------
    ConfigError
        When a setting does not exist or its value is not allowed, or another kind has
        no place for a setting of the config.
    """
    if not settings:
        return config
    values = _merged(config, settings)
    merged = parse_experiment(values, source=_SOURCE)
    if not isinstance(values["network"], dict):  # replaced as a whole
        return merged
    asked = set(_expanded(settings.get("network", {}), "name"))
    if type(merged.network) is type(config.network):
        asked |= config.network.model_fields_set
    else:
        asked |= _unusual(config.network).keys() & values["network"].keys()
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
    return _parsed(InferenceConfig, values)


def parse_volume(values: dict[str, Any]) -> VolumeConfig:
    """Check settings of blocks.

    Raises
    ------
    ConfigError
        When a setting does not exist or its value is not allowed.
    """
    return _parsed(VolumeConfig, values)


def parse_separation(
    values: dict[str, Any],
) -> tuple[SeparationConfig, dict[str, Any]]:
    """Check settings of objects; those of other sections come back.

    Raises
    ------
    ConfigError
        When a value is not allowed.
    """
    own = SeparationConfig.model_fields
    changes = {k: v for k, v in values.items() if k in own}
    config = _parsed(SeparationConfig, _merged(SeparationConfig(), changes))
    return config, {k: v for k, v in values.items() if k not in own}


def parse_evaluation(
    values: dict[str, Any],
) -> tuple[EvaluationConfig, dict[str, Any]]:
    """Check settings of an evaluation; those of other sections come back.

    Raises
    ------
    ConfigError
        When a value is not allowed.
    """
    own = EvaluationConfig.model_fields
    config = _parsed(EvaluationConfig, {k: v for k, v in values.items() if k in own})
    return config, {k: v for k, v in values.items() if k not in own}


def _parsed(kind: type[C], values: dict[str, Any]) -> C:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = explain_problems(error, kind)
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


def _merged(
    base: BaseModel, changes: dict[str, Any], start: str = ""
) -> dict[str, Any]:
    """Values of a config, some of them changed; ``start`` leads to it."""
    result = base.model_dump()
    for name, change in changes.items():
        field = type(base).model_fields.get(name)
        if field is None or name == _BY_NAME:
            result[name] = change
            continue
        old, kinds = getattr(base, name), kinds_of(field.annotation)
        new = change if kinds is None else _expanded(change, kinds.tag)
        if not (isinstance(old, BaseModel) and isinstance(new, dict)):
            result[name] = new
        elif kinds is None or _is_same_kind(old, new, kinds):
            result[name] = _merged(old, new, f"{start}{name}.")
        else:
            kept = {} if name in _APART else _kept(old, new, kinds, f"{start}{name}")
            result[name] = {**kept, **new}
    return result


def _expanded(change: Any, tag: str) -> Any:
    return {tag: change} if isinstance(change, str) else change


def _is_same_kind(old: BaseModel, new: dict[str, Any], kinds: Kinds) -> bool:
    word = getattr(old, kinds.tag)
    return bool(new.get(kinds.tag, word) == word)


def _kept(
    old: BaseModel, new: dict[str, Any], kinds: Kinds, place: str
) -> dict[str, Any]:
    """What a section of another kind takes over.

    Raises
    ------
    ConfigError
        Naming all that it has no place for.
    """
    word = new[kinds.tag]
    if word not in list(kinds.models):  # refused when it is parsed
        return {}
    unusual = {k: v for k, v in _unusual(old).items() if k not in new}
    taken = kinds.models[word].model_fields.keys() - _AMBIGUOUS
    lost = [f"{k} ({v})" for k, v in unusual.items() if k not in taken]
    if lost:
        known = getattr(old, kinds.tag)
        raise ConfigError(
            f"{place}.{kinds.tag} is to be {word}, which has no place for what is set "
            f"of {known}: {', '.join(lost)}; leave that out of the config, or keep "
            f"{known}."
        )
    return unusual


def _unusual(section: BaseModel) -> dict[str, Any]:
    """What is set otherwise than by default; never the word that tells its kind."""
    values = section.model_dump()
    return {name: values[name] for name in section.model_dump(exclude_defaults=True)}
