"""Everything a training run needs to know, as one versioned object."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, ValidationError

from napari_segtrain.config.augmentation import AugmentationConfig
from napari_segtrain.config.base import Config
from napari_segtrain.config.data import (
    AutoValidation,
    DataConfig,
    NormalizationConfig,
    ValidationConfig,
)
from napari_segtrain.config.kinds import kinds_at
from napari_segtrain.config.loss import DiceCrossEntropyConfig, LossConfig
from napari_segtrain.config.network import NetworkConfig, UNetConfig
from napari_segtrain.config.objects import ObjectsConfig
from napari_segtrain.config.plain_yaml import (
    PlainYamlError,
    dump_plain_yaml,
    load_plain_yaml,
)
from napari_segtrain.config.problems import explain_problems
from napari_segtrain.config.sampling import SamplingConfig
from napari_segtrain.config.training import TrainingConfig
from napari_segtrain.errors import ConfigError

FORMAT_VERSION = 1


class ExperimentConfig(Config):
    """Settings of one experiment; every one has a default."""

    format_version: int = Field(FORMAT_VERSION, ge=1, le=FORMAT_VERSION)
    """Version of this file's layout."""

    data: DataConfig = DataConfig()
    """Images and labels."""

    objects: ObjectsConfig = ObjectsConfig()
    """Objects with ids."""

    validation: ValidationConfig = AutoValidation()
    """Held-out data: auto, fraction, by-hand, k-fold or none."""

    normalization: NormalizationConfig = NormalizationConfig()
    """Intensities."""

    sampling: SamplingConfig = SamplingConfig()
    """Patches."""

    augmentation: AugmentationConfig = AugmentationConfig()
    """Random changes."""

    network: NetworkConfig = UNetConfig()
    """Architecture."""

    loss: LossConfig = DiceCrossEntropyConfig()
    """What is minimized; unlabelled voxels count not."""

    training: TrainingConfig = TrainingConfig()
    """Optimizer, length, device."""


def parse_experiment(values: dict[str, Any], *, source: str) -> ExperimentConfig:
    """Check plain values and return them as a config.

    Parameters
    ----------
    values : dict
        Nested settings; what is missing takes its default, and so does an empty
        section (``data:`` with nothing below).
    source : str
        Where they came from, for the message.

    Raises
    ------
    ConfigError
        With one line per wrong value: where, what was met, what is allowed.
    """
    version = values.get("format_version", FORMAT_VERSION)
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ConfigError(
            f"{source} has format version {version}, but this release reads up to "
            f"{FORMAT_VERSION}; update napari-segtrain."
        )
    filled = {name: value for name, value in values.items() if value is not None}
    try:
        return ExperimentConfig.model_validate(filled)
    except ValidationError as error:
        problems = explain_problems(error, ExperimentConfig)
        raise ConfigError(f"{source}: {problems}.") from error


def load_yaml(text: str, *, source: str) -> dict[str, Any]:
    """Parse a YAML mapping.

    Raises
    ------
    ConfigError
        When the text is not YAML, or not a mapping of settings.
    """
    try:
        values = load_plain_yaml(text)
    except PlainYamlError as error:
        raise ConfigError(f"{source} is not valid YAML: {error}.") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{source} holds no settings (a mapping such as 'data: ...')."
        )
    return {str(name): value for name, value in values.items()}


def set_value(
    values: dict[str, Any],
    assignment: str,
    model: type[BaseModel] = ExperimentConfig,
) -> None:
    """Apply one ``a.b=c`` override in place; ``c`` is read as YAML.

    A word that chooses a kind, as in ``training.solver=sgd``, leaves the settings
    beside it as they are.

    Parameters
    ----------
    values : dict
        Nested settings.
    assignment : str
        Path and value.
    model : type of BaseModel
        Class of the config that the path leads through.

    Raises
    ------
    ConfigError
        When the text has no ``=`` or the path leads through a plain value.
    """
    path, sign, text = assignment.partition("=")
    keys = path.strip().split(".")
    if not sign or not all(keys):
        raise ConfigError(
            f"'{assignment}' is no setting; write it as section.name=value, for "
            "instance training.seed=3."
        )
    try:
        value = load_plain_yaml(text)
    except PlainYamlError as error:
        raise ConfigError(
            f"The value of '{assignment}' is not valid YAML: {error}."
        ) from error
    kinds = kinds_at(model, keys)
    if kinds is not None and isinstance(value, str):
        keys.append(kinds.tag)
    node = values
    for key in keys[:-1]:
        child = node.setdefault(key, {})
        if child is None:
            child = node[key] = {}
        if not isinstance(child, dict):
            raise ConfigError(f"'{path}' is no setting: '{key}' has no parts.")
        node = child
    node[keys[-1]] = value


def dump_yaml(config: Config) -> str:
    """Write a config as YAML with every value."""
    return dump_plain_yaml(config.model_dump(mode="json"))
