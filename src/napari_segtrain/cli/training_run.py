"""A training run on the terminal."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from napari_segtrain.cli.progress import TrainingDisplay
from napari_segtrain.config import (
    ExperimentConfig,
    load_yaml,
    parse_experiment,
    set_value,
)
from napari_segtrain.control import RunControl
from napari_segtrain.errors import ConfigError
from napari_segtrain.training.curves import draw_curves
from napari_segtrain.training.events import TrainingResult
from napari_segtrain.workflows import (
    default_run_dir,
    iter_resumed_run,
    iter_training_run,
    load_model,
    merge_settings,
    open_training_data,
    plan_training,
    run,
)


def start(
    config_path: Path | None,
    changes: dict[str, Any],
    settings: Sequence[str],
    *,
    output: Path | None,
    continue_from: Path | None,
    is_dry: bool,
) -> None:
    """Read the config, apply options and overrides, and train."""
    config = read_config(config_path, changes, settings)
    opened = open_training_data(config)
    for path in opened.unmatched:
        typer.echo(f"! {path} has no partner and is left out", err=True)
    if is_dry:
        display = TrainingDisplay()
        display.show_plan(plan_training(opened.dataset, config))
        return
    model = load_model(continue_from) if continue_from else None
    with interruptible() as control:
        work = iter_training_run(
            opened.dataset,
            config,
            output or default_run_dir(),
            control=control,
            continue_from=model,
        )
        with TrainingDisplay() as display:
            result = run(work, display)
    _finish(result)


def go_on(run_dir: Path, checkpoint: str) -> None:
    """Resume a run."""
    with interruptible() as control:
        work = iter_resumed_run(run_dir, checkpoint=checkpoint, control=control)
        with TrainingDisplay() as display:
            result = run(work, display)
    _finish(result)


def read_config(
    path: Path | None, changes: dict[str, Any], settings: Sequence[str]
) -> ExperimentConfig:
    """Config file, then options, then ``--set``: the later wins.

    Raises
    ------
    ConfigError
        When the file cannot be read or a value is not allowed.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"The config {path} cannot be read: {error}.") from error
        values = load_yaml(text, source=str(path))
    overrides: dict[str, Any] = {}
    for assignment in settings:
        set_value(overrides, assignment)
    base = parse_experiment(values, source=str(path or "the defaults"))
    return merge_settings(merge_settings(base, changes), overrides)


@contextmanager
def interruptible() -> Iterator[RunControl]:
    """Turn the first Ctrl-C (or SIGTERM) into a stop that saves; the second ends."""
    control = RunControl()

    def stop(number: int, _frame: object) -> None:
        if control.is_stopping:
            raise KeyboardInterrupt
        typer.echo("stopping: the checkpoint is being written", err=True)
        control.stop()
        del number

    old = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield control
    finally:
        for name, handler in old.items():
            signal.signal(name, handler)


def _finish(result: TrainingResult) -> None:
    draw_curves(result.run_dir)
    score = "" if result.score is None else f", validation IoU {result.score:.3f}"
    if result.is_complete:
        typer.echo(
            f"trained {result.iterations} iterations in {result.seconds:.0f} s{score}; "
            f"the model is {result.model_path}"
        )
        return
    typer.echo(
        f"stopped after {result.iterations} iterations{score}; go on with "
        f"'segtrain resume {result.run_dir}'"
    )
