"""From images and labels to a run folder with a model in it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segtrain.config import ExperimentConfig, wants_volumes
from napari_segtrain.control import is_first_process, is_in_team
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.data.files import OpenedData, make_sample, open_dataset
from napari_segtrain.data.object_recipe import asked_parts
from napari_segtrain.errors import ConfigError, DataError
from napari_segtrain.training.curves import draw_curves
from napari_segtrain.training.distributed import current_team, joined
from napari_segtrain.training.events import Planned, TrainingResult
from napari_segtrain.training.fine_tuning import first_weights, take_base, take_network
from napari_segtrain.training.folds import iter_folds
from napari_segtrain.training.machine import find_machine
from napari_segtrain.training.plan import TrainingPlan, resolve
from napari_segtrain.training.run_folder import LATEST, RunFolder, WatchedFolder
from napari_segtrain.training.snapshot import read_snapshot, write_snapshot
from napari_segtrain.training.tensorboard import check_tensorboard
from napari_segtrain.training.trainer import iter_training
from napari_segtrain.workflows.inputs import (
    ImageLike,
    LabelsLike,
    as_image,
    as_labels,
    as_list,
)
from napari_segtrain.workflows.models import load_model
from napari_segtrain.workflows.running import Listener, run
from napari_segtrain.workflows.settings import expand_length, merge_settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.models import Model
    from napari_segtrain.training.checkpoint import Checkpoint


def plan_training(
    dataset: Dataset, config: ExperimentConfig, continue_from: Model | None = None
) -> TrainingPlan:
    """Inspect a data set and decide everything that the config leaves open.

    Parameters
    ----------
    dataset : Dataset
        Samples.
    config : ExperimentConfig
        Settings.
    continue_from : Model, optional
        First weights; its network is taken over. Its channels and classes may be
        others: those that correspond keep their weights.

    Raises
    ------
    DataError, ConfigError
        When the data or the settings cannot be trained with, or settings of the network
        contradict the model to go on from.
    ModelError
        When the model to go on from segments volumes and the images are flat.
    """
    if continue_from is not None:
        config = config_of_continuation(config, continue_from)
    _check_extras(config)
    facts = gather_facts(dataset, config)
    parts = asked_parts(config.objects, facts.classes)
    base = take_base(continue_from.spec, facts, parts) if continue_from else None
    return resolve(config, facts, find_machine(config.training.device), base)


def config_of_continuation(config: ExperimentConfig, base: Model) -> ExperimentConfig:
    """Settings of a training that goes on from a model, whose network is taken over.

    Raises
    ------
    ConfigError
        When settings of the network that were asked for contradict the model.
    """
    spec = base.spec
    network = take_network(config.network, spec.network, weights=first_weights(spec))
    return config.model_copy(update={"network": network})


def iter_training_run(
    dataset: Dataset,
    config: ExperimentConfig,
    output: Path,
    *,
    control: RunControl | None = None,
    continue_from: Model | None = None,
) -> Generator[Event, None, TrainingResult]:
    """Plan, freeze the data and train, in a new run folder.

    A run that fails before its first checkpoint leaves no folder.

    Parameters
    ----------
    dataset : Dataset
        Samples.
    config : ExperimentConfig
        Settings.
    output : Path
        Run folder; must not exist, or be empty.
    control : RunControl, optional
        Stop, pause, finish now.
    continue_from : Model, optional
        First weights ("train on"); its network is taken over.

    Yields
    ------
    Event
        `Planned`, then those of `iter_training`.

    Raises
    ------
    SegtrainError
        When data, settings, output or memory do not allow it.
    """
    return _shown(_new_run(dataset, config, output, control, continue_from))


def _new_run(
    dataset: Dataset,
    config: ExperimentConfig,
    output: Path,
    control: RunControl | None,
    continue_from: Model | None,
) -> Generator[Event, None, TrainingResult]:
    def begin() -> TrainingPlan:
        plan = plan_training(dataset, config, continue_from)
        _check_folds(plan)
        folder.write_start(plan.config, plan)
        margin = plan.patch_size[0]
        write_snapshot(folder.snapshot_path, dataset, plan.facts.used, margin)
        return plan

    with joined() as team:
        output = team.agree(output)
        existed = output.exists()
        folder = team.made_by_first(lambda: RunFolder.create(output))
        with _removed_unless_begun(output, keep_folder=existed, is_own=team.is_first):
            plan = team.made_by_first(begin)
            return (
                yield from _trained(plan, folder, control, start_from=continue_from)
            )


def iter_resumed_run(
    run_dir: Path, *, checkpoint: str = LATEST, control: RunControl | None = None
) -> Generator[Event, None, TrainingResult]:
    """Go on with a run that was stopped or killed.

    Parameters
    ----------
    run_dir : Path
        Its folder.
    checkpoint : str
        ``latest``, ``best`` or ``epoch-0010``.
    control : RunControl, optional
        Stop, pause, finish now.

    Raises
    ------
    SegtrainError
        When there is no such run or checkpoint, or an image was changed.
    ConfigError
        When the run is complete.
    """
    return _shown(_resumed_run(run_dir, checkpoint, control))


def _resumed_run(
    run_dir: Path, checkpoint: str, control: RunControl | None
) -> Generator[Event, None, TrainingResult]:
    folder = RunFolder.open(run_dir)
    with joined() as team:
        plan = folder.read_plan()
        if plan.facts.folds:
            return (yield from _resume_folds(plan, folder, checkpoint, control))
        state = team.made_by_first(lambda: _rewound(folder, checkpoint))
        return (yield from _trained(plan, folder, control, resume_from=state))


def _rewound(folder: RunFolder, checkpoint: str) -> Checkpoint:
    """Check that a run can go on from a checkpoint, and make its folder ready."""
    _remove_leftovers(folder.path)
    if folder.load(checkpoint).progress.is_complete:
        raise _is_over(folder.path)
    _check_extras(folder.read_plan().config)
    read_snapshot(folder.snapshot_path)
    return folder.rewind(checkpoint)


def _trained(
    plan: TrainingPlan,
    folder: RunFolder,
    control: RunControl | None,
    *,
    resume_from: Checkpoint | None = None,
    start_from: Model | None = None,
) -> Generator[Event, None, TrainingResult]:
    """Train on the snapshot of a run, on the device of this process."""
    team = current_team()
    with team.together():
        frozen = read_snapshot(folder.snapshot_path)
        plan = replace(plan, machine=find_machine(plan.config.training.device))
    run_folder = folder if team.is_first else WatchedFolder(folder.path)
    yield Planned(plan, folder.path)
    if plan.facts.folds:
        folds = iter_folds(plan, frozen, folder, control, start_from=start_from)
        return (yield from folds)
    result = yield from iter_training(
        plan,
        frozen,
        run_folder,
        control,
        resume_from=resume_from,
        start_from=start_from,
    )
    if team.is_first:
        draw_curves(folder.path)
    return result


def _check_extras(config: ExperimentConfig) -> None:
    if config.training.tensorboard:
        check_tensorboard()


def _check_folds(plan: TrainingPlan) -> None:
    if plan.facts.folds and is_in_team():
        raise ConfigError(
            "A cross-validation is trained by one process; start it without torchrun, "
            "or leave out the folds."
        )


def _resume_folds(
    plan: TrainingPlan, folder: RunFolder, checkpoint: str, control: RunControl | None
) -> Generator[Event, None, TrainingResult]:
    _check_folds(plan)
    _check_extras(plan.config)
    _remove_leftovers(folder.path)
    if folder.has_model and not folder.is_unfinished:
        raise _is_over(folder.path)
    if checkpoint != LATEST:
        raise ConfigError(
            f"A cross-validation goes on where it stopped, not from '{checkpoint}'; "
            "leave out --checkpoint."
        )
    return (yield from _trained(plan, folder, control))


def _is_over(run_dir: Path) -> ConfigError:
    return ConfigError(
        f"The run {run_dir} came to its end; start a new one from its model with "
        f"--continue-from {run_dir}."
    )


def _shown(
    work: Generator[Event, None, TrainingResult],
) -> Generator[Event, None, TrainingResult]:
    """Tell of the events in the first process only, where there are several."""
    return work if is_first_process() else _silent(work)


def _silent(
    work: Generator[Event, None, TrainingResult],
) -> Generator[Event, None, TrainingResult]:
    yield from ()
    return run(work)


def _remove_leftovers(run_dir: Path) -> None:
    """Remove what was being written or removed when a run was killed."""
    for path in list(run_dir.rglob(".*.tmp*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def _removed_unless_begun(
    path: Path, *, keep_folder: bool, is_own: bool
) -> Iterator[None]:
    """Remove one's run folder, or what is in it, if there is no first checkpoint."""
    try:
        yield
    except BaseException:
        if is_own and not any(path.rglob("checkpoints/*.safetensors")):
            shutil.rmtree(path, ignore_errors=True)
            if keep_folder:
                path.mkdir(exist_ok=True)
        raise


def train(
    images: ImageLike | Sequence[ImageLike],
    labels: LabelsLike | Sequence[LabelsLike],
    *,
    output: str | Path | None = None,
    config: ExperimentConfig | None = None,
    control: RunControl | None = None,
    on_event: Listener | None = None,
    continue_from: Model | str | Path | None = None,
    **settings: Any,
) -> TrainingResult:
    """Train a model.

    Parameters
    ----------
    images, labels
        An array, `Image`/`LabelImage` or path, or a list of them; paths of folders are
        paired by file name.
    output : str or Path, optional
        Run folder; by default a new one under ``segtrain-runs``.
    config : ExperimentConfig, optional
        Settings; the defaults without it.
    control : RunControl, optional
        Stop, pause, finish now.
    on_event : callable, optional
        Is given each event.
    continue_from : Model or path, optional
        First weights.
    **settings
        The length as ``time_budget`` (seconds), ``epochs`` or ``iterations``, and
        sections of the config to change, such as ``training={"seed": 3}``.

    Returns
    -------
    TrainingResult

    Raises
    ------
    SegtrainError
        When data, settings, output or memory do not allow it.
    """
    config = merge_settings(config or ExperimentConfig(), expand_length(settings))
    config, dataset = _dataset(images, labels, config)
    if isinstance(continue_from, str | Path):
        continue_from = load_model(continue_from)
    target = Path(output) if output is not None else default_run_dir()
    work = iter_training_run(
        dataset, config, target, control=control, continue_from=continue_from
    )
    return run(work, on_event)


def resume(
    run_dir: str | Path,
    *,
    checkpoint: str = LATEST,
    control: RunControl | None = None,
    on_event: Listener | None = None,
) -> TrainingResult:
    """Go on with a run that was stopped or killed; see `iter_resumed_run`."""
    work = iter_resumed_run(Path(run_dir), checkpoint=checkpoint, control=control)
    return run(work, on_event)


def default_run_dir() -> Path:
    """Return a new folder name under ``segtrain-runs``."""
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    return Path("segtrain-runs") / stamp


def open_training_data(config: ExperimentConfig) -> OpenedData:
    """Open the files that a config names; see `open_dataset`."""
    return open_dataset(config.data, wants_3d=wants_volumes(config.network))


def _dataset(
    images: ImageLike | Sequence[ImageLike],
    labels: LabelsLike | Sequence[LabelsLike],
    config: ExperimentConfig,
) -> tuple[ExperimentConfig, Dataset]:
    if isinstance(images, str | Path) and isinstance(labels, str | Path):
        paths = {"images": Path(images).absolute(), "labels": Path(labels).absolute()}
        config = merge_settings(config, {"data": paths})
        return config, open_training_data(config).dataset
    many_images, many_labels = as_list(images), as_list(labels)
    if len(many_images) != len(many_labels):
        raise DataError(
            f"There are {len(many_images)} images but {len(many_labels)} label images; "
            "give one label image for each image."
        )
    pairs = zip(many_images, many_labels, strict=True)
    samples = [
        make_sample(
            as_image(image, config.data, number=number),
            as_labels(truth, config.data, number=number),
        )
        for number, (image, truth) in enumerate(pairs)
    ]
    return config, Dataset(tuple(samples))
