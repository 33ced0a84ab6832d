"""A training run on the terminal."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import typer

from napari_segtrain.cli.interruption import SignalControl, interruptible
from napari_segtrain.cli.progress import TrainingDisplay, show_network, show_plan
from napari_segtrain.config import ExperimentConfig, set_value
from napari_segtrain.control import Event, is_first_process
from napari_segtrain.training.events import TrainingResult
from napari_segtrain.workflows.models import load_model
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.settings import load_config, merge_settings
from napari_segtrain.workflows.training import (
    default_run_dir,
    iter_resumed_run,
    iter_training_run,
    open_training_data,
    plan_training,
)

_NOTE = "the checkpoint is being written"


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
    model = load_model(continue_from) if continue_from else None
    opened = open_training_data(config)
    for path in opened.unmatched if is_first_process() else ():
        typer.echo(f"! {path} has no partner and is left out", err=True)
    if is_dry:
        plan = plan_training(opened.dataset, config, model)
        show_plan(plan)
        show_network(plan)
        return
    with interruptible(_NOTE) as control:
        work = iter_training_run(
            opened.dataset,
            config,
            output or default_run_dir(),
            control=control,
            continue_from=model,
        )
        _train(work, control)


def go_on(run_dir: Path, checkpoint: str) -> None:
    """Resume a run."""
    with interruptible(_NOTE) as control:
        work = iter_resumed_run(run_dir, checkpoint=checkpoint, control=control)
        _train(work, control)


def read_config(
    path: Path | None, changes: dict[str, Any], settings: Sequence[str]
) -> ExperimentConfig:
    """Config file, then options, then ``--set``: the later wins.

    Raises
    ------
    ConfigError
        When the file cannot be read or a value is not allowed.
    """
    changes = deepcopy(changes)
    for assignment in settings:
        set_value(changes, assignment)
    base = ExperimentConfig() if path is None else load_config(path)
    return merge_settings(base, changes)


def _train(
    work: Generator[Event, None, TrainingResult], control: SignalControl
) -> None:
    with TrainingDisplay() as display:
        result = run(work, display)
    if not is_first_process():
        if not result.is_complete:
            raise control.leave()
        return
    score = "" if result.score is None else f", validation IoU {result.score:.3f}"
    if result.spread is not None:
        n_folds = len(result.fold_scores)
        score += f" ± {result.spread:.3f} (mean and spread of {n_folds} folds)"
    if not result.is_complete:
        typer.echo(
            f"stopped after {result.iterations} iterations{score}; go on with "
            f"'segtrain resume {result.run_dir}'"
        )
        raise control.leave()
    typer.echo(
        f"trained {result.iterations} iterations in {result.seconds:.0f} s{score}; "
        f"the model is {result.model_path}"
    )
    if result.verdict:
        typer.echo(result.verdict)
