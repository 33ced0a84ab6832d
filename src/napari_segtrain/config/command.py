"""A config as a command of the shell."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from napari_segtrain.config.data import (
    FractionValidation,
    HandValidation,
    KFoldValidation,
    NoValidation,
    ValidationConfig,
)
from napari_segtrain.config.experiment import ExperimentConfig
from napari_segtrain.config.plain_yaml import dump_plain_yaml
from napari_segtrain.config.training import (
    EpochsLength,
    IterationsLength,
    LengthConfig,
    TimeBudgetLength,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PLAIN_OPTIONS = {
    "data.images": "--images",
    "data.labels": "--labels",
    "data.axes": "--axes",
    "data.zero": "--zero",
    "data.target": "--target",
    "network.dims": "--dims",
    "network.name": "--network",
    "training.seed": "--seed",
    "training.device": "--device",
}
_LEFT_OUT = {"format_version"}


def training_command(
    config: ExperimentConfig,
    *,
    output: Path | None = None,
    config_path: Path | None = None,
    continue_from: Path | None = None,
) -> str:
    """Return the command that trains with a config.

    Parameters
    ----------
    config : ExperimentConfig
        Settings; what differs from the defaults becomes an option.
    output : Path, optional
        Run folder.
    config_path : Path, optional
        File that holds the config already.
    continue_from : Path, optional
        Model with the first weights.

    Returns
    -------
    str
        One line, quoted for the shell of this system: POSIX, or that of Windows.
    """
    words = ["segtrain", "train"]
    if config_path is not None:
        words += ["--config", str(config_path)]
    else:
        words += _options(config, ExperimentConfig())
    paths = {"--continue-from": continue_from, "--output": output}
    for option, path in paths.items():
        words += [] if path is None else [option, str(path)]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _options(config: BaseModel, default: BaseModel, place: str = "") -> list[str]:
    """Options for everything that differs, in the order of the settings."""
    words: list[str] = []
    for name in type(config).model_fields:
        value, usual = getattr(config, name), getattr(default, name)
        if value == usual or name in _LEFT_OUT:
            continue
        path = f"{place}{name}"
        short = list(_short(path, value))
        if short:
            words += short
        elif isinstance(value, BaseModel) and type(value) is type(usual):
            words += _options(value, usual, f"{path}.")
        else:
            words += ["--set", f"{path}={_as_yaml(config, name)}"]
    return words


def _short(path: str, value: Any) -> Iterator[str]:
    """Option of its own that a setting has; none where its text would not be read."""
    if path in _PLAIN_OPTIONS:
        yield from (_PLAIN_OPTIONS[path], str(value)) if value is not None else ()
    elif path == "data.stack":
        yield "--stack"
    elif path == "data.voxel_size":
        yield from ("--voxel-size", ",".join(map(_number, value)))
    elif path in {"data.background", "data.ignore"}:
        values = ",".join(map(str, value)) if value else "none"
        yield f"--{path.partition('.')[2]}={values}"
    elif path == "data.classes":
        yield from _classes(value)
    elif path == "validation":
        yield from _validation(value)
    elif path == "training.length":
        yield from _length(value)


def _classes(classes: dict[int, str]) -> Iterator[str]:
    is_plain = all(
        name and name == name.strip() and "," not in name for name in classes.values()
    )
    if is_plain:
        pairs = (f"{value}={name}" for value, name in classes.items())
        yield f"--classes={','.join(pairs)}"


def _validation(validation: ValidationConfig) -> Iterator[str]:
    if isinstance(validation, NoValidation):
        yield from ("--validation", "none")
    elif isinstance(validation, FractionValidation):
        yield from ("--validation", _number(validation.fraction))
    elif isinstance(validation, KFoldValidation):
        yield from ("--validation", f"{validation.k}-fold")
    elif isinstance(validation, HandValidation):
        text = ",".join(validation.names)
        is_plain = all(name and "," not in name for name in validation.names)
        is_other = text in {"auto", "none"} or text.endswith("-fold")
        if is_plain and not is_other and not _is_number(text):
            yield f"--validation={text}"


def _length(length: LengthConfig) -> Iterator[str]:
    if isinstance(length, TimeBudgetLength):
        yield from ("--time-budget", f"{_number(length.seconds)}s")
    elif isinstance(length, EpochsLength):
        yield from ("--epochs", str(length.epochs))
    elif isinstance(length, IterationsLength):
        yield from ("--iterations", str(length.iterations))


def _number(value: float) -> str:
    """Shortest text that is read as the same number."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _as_yaml(config: BaseModel, name: str) -> str:
    value = config.model_dump(mode="json", include={name})[name]
    text = dump_plain_yaml(value, is_flow=True)
    return text.removesuffix("\n").removesuffix("\n...").strip()
