"""The use cases, one function each: what the viewer, the command line and scripts call.

The ``iter_`` functions yield events and return a result; the others run them to the
end.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import ZYX, format_voxel_size
from napari_segtrain.config import (
    DataConfig,
    ExperimentConfig,
    InferenceConfig,
    parse_experiment,
)
from napari_segtrain.control import Event, RunControl
from napari_segtrain.data.classes import describe_labels
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.data.files import (
    OpenedData,
    make_sample,
    open_dataset,
    open_images,
)
from napari_segtrain.errors import ConfigError, DataError, ModelError
from napari_segtrain.evaluation.evaluate import iter_evaluation
from napari_segtrain.evaluation.overlay import write_overlay
from napari_segtrain.evaluation.pairs import LabelPair, common_classes
from napari_segtrain.image import Box, ClassTable, Image, LabelImage
from napari_segtrain.inference.predictor import Prediction, iter_prediction
from napari_segtrain.io import (
    image_stem,
    pair_files,
    read_image,
    read_labels,
    read_stack,
)
from napari_segtrain.models import Model
from napari_segtrain.training.events import Planned, TrainingResult
from napari_segtrain.training.machine import find_machine
from napari_segtrain.training.plan import TrainingPlan, resolve
from napari_segtrain.training.run_folder import LATEST, RunFolder
from napari_segtrain.training.run_folder import load_model as _load_model
from napari_segtrain.training.snapshot import read_snapshot, write_snapshot
from napari_segtrain.training.trainer import iter_training

if TYPE_CHECKING:
    from napari_segtrain.evaluation.report import EvaluationReport

Result = TypeVar("Result")
ImageLike = Image | npt.NDArray[Any] | str | Path
LabelsLike = LabelImage | npt.NDArray[Any] | str | Path
Listener = Callable[[Event], None]


def run(
    work: Generator[Event, None, Result], on_event: Listener | None = None
) -> Result:
    """Consume a generator of events and return its result.

    Parameters
    ----------
    work : generator of Event
        One of the ``iter_`` functions.
    on_event : callable, optional
        Is given each event.
    """
    while True:
        try:
            event = next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
        if on_event is not None:
            on_event(event)


def load_model(path: str | Path) -> Model:
    """Load a model folder or zip, a run folder, or a checkpoint.

    Raises
    ------
    ModelError
        When there is no model, or it is damaged, hostile or of a newer format.
    """
    return _load_model(Path(path))


def plan_training(dataset: Dataset, config: ExperimentConfig) -> TrainingPlan:
    """Inspect a data set and decide everything that the config leaves open.

    Raises
    ------
    DataError, ConfigError
        When the data or the settings cannot be trained with.
    """
    facts = gather_facts(dataset, config)
    return resolve(config, facts, find_machine(config.training.device))


def iter_training_run(
    dataset: Dataset,
    config: ExperimentConfig,
    output: Path,
    *,
    control: RunControl | None = None,
    continue_from: Model | None = None,
) -> Generator[Event, None, TrainingResult]:
    """Plan, freeze the data and train, in a new run folder.

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
        First weights ("train on"); its network and channels are taken over.

    Yields
    ------
    Event
        `Planned`, then those of `iter_training`.

    Raises
    ------
    SegtrainError
        When data, settings, output or memory do not allow it.
    """
    if continue_from is not None:
        config = config.model_copy(update={"network": continue_from.spec.network})
    plan = plan_training(dataset, config)
    if continue_from is not None:
        _check_continuation(plan, continue_from)
    folder = RunFolder.create(output)
    folder.write_start(config, plan)
    margin = plan.patch_size[0]
    write_snapshot(folder.snapshot_path, dataset, plan.facts.used, margin)
    yield Planned(plan, folder.path)
    frozen = read_snapshot(folder.snapshot_path, axes=config.data.axes)
    return (
        yield from iter_training(
            plan, frozen, folder, control, start_from=continue_from
        )
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
    folder = RunFolder.open(run_dir)
    plan = folder.read_plan()
    state = folder.load(checkpoint)
    if state.progress.is_complete:
        raise ConfigError(
            f"The run {run_dir} came to its end; start a new one from its model with "
            f"--continue-from {run_dir}."
        )
    device = find_machine(plan.config.training.device)
    plan = replace(plan, machine=device)
    frozen = read_snapshot(folder.snapshot_path, axes=plan.config.data.axes)
    folder.forget_metrics_after(state.progress.iteration)
    yield Planned(plan, folder.path)
    return (yield from iter_training(plan, frozen, folder, control, resume_from=state))


def _check_continuation(plan: TrainingPlan, model: Model) -> None:
    given, wanted = plan.facts.n_channels, model.spec.n_channels
    if given != wanted:
        raise ModelError(
            f"The model to go on from takes {wanted} channels, the images have {given}."
        )
    names = (plan.facts.classes.values, model.spec.classes.values)
    if names[0] != names[1]:
        raise ModelError(
            f"The model to go on from knows the label values {names[1]}, the labels "
            f"hold {names[0]}; train a new model, or label the same classes."
        )


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
        Sections of the config to change, such as ``training={"seed": 3}``.

    Returns
    -------
    TrainingResult

    Raises
    ------
    SegtrainError
        When data, settings, output or memory do not allow it.
    """
    config = merge_settings(config or ExperimentConfig(), settings)
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
    wants_3d = config.network.dims == 3  # noqa: PLR2004
    return open_dataset(config.data, wants_3d=wants_3d)


def merge_settings(
    config: ExperimentConfig, settings: dict[str, Any]
) -> ExperimentConfig:
    """Change some settings of a config, section by section.

    Raises
    ------
    ConfigError
        When a setting does not exist or its value is not allowed.
    """
    if not settings:
        return config
    values = config.model_dump(mode="python")
    return parse_experiment(_merged(values, settings), source="the settings")


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        is_section = isinstance(value, dict) and isinstance(old, dict)
        if is_section and "kind" not in value and key != "classes":
            result[key] = _merged(old or {}, value)
        else:
            result[key] = value
    return result


def _dataset(
    images: ImageLike | Sequence[ImageLike],
    labels: LabelsLike | Sequence[LabelsLike],
    config: ExperimentConfig,
) -> tuple[ExperimentConfig, Dataset]:
    if isinstance(images, str | Path) and isinstance(labels, str | Path):
        paths = {"images": Path(images), "labels": Path(labels)}
        config = merge_settings(config, {"data": paths})
        return config, open_training_data(config).dataset
    many_images, many_labels = _as_list(images), _as_list(labels)
    if len(many_images) != len(many_labels):
        raise DataError(
            f"There are {len(many_images)} images but {len(many_labels)} label images; "
            "give one label image for each image."
        )
    data = config.data
    samples = [
        make_sample(
            _as_image(image, axes=data.axes, voxel_size=data.voxel_size, number=number),
            _as_labels(truth, number=number),
        )
        for number, (image, truth) in enumerate(
            zip(many_images, many_labels, strict=True)
        )
    ]
    return config, Dataset(tuple(samples))


def _as_list(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]


def _as_image(
    image: ImageLike,
    *,
    axes: str | None = None,
    voxel_size: tuple[float, ...] | None = None,
    number: int = 0,
) -> Image:
    if isinstance(image, Image):
        return image
    if isinstance(image, str | Path):
        return read_image(image, axes=axes, voxel_size=voxel_size)
    return Image(np.asanyarray(image), axes or "", voxel_size, name=f"image {number}")


def _as_labels(labels: LabelsLike, *, number: int = 0) -> LabelImage:
    if isinstance(labels, LabelImage):
        return labels
    if isinstance(labels, str | Path):
        return read_labels(labels)
    return LabelImage(np.asanyarray(labels), name=f"labels {number}")


def predict(
    model: Model | str | Path,
    image: ImageLike,
    *,
    config: InferenceConfig | None = None,
    slices: tuple[int, int] | None = None,
    control: RunControl | None = None,
    on_event: Listener | None = None,
) -> Prediction:
    """Segment one image.

    Parameters
    ----------
    model : Model or path
        What to apply.
    image : array, Image or path
        Channels and axes as in training.
    config : InferenceConfig, optional
        Tiles, device, probability maps.
    slices : (int, int), optional
        First slice along Z, and the one after the last; all without it.
    control : RunControl, optional
        Stop and pause.
    on_event : callable, optional
        Is given each event.

    Raises
    ------
    ModelError
        When channels or axes do not fit.
    """
    model = model if isinstance(model, Model) else load_model(model)
    work = iter_prediction(
        model,
        _as_image(image),
        config or InferenceConfig(),
        slices=slices,
        control=control,
    )
    return run(work, on_event)


def evaluate(
    pairs: Iterable[LabelPair],
    *,
    objects: bool = False,
    control: RunControl | None = None,
    on_event: Listener | None = None,
) -> EvaluationReport:
    """Score segmentations against ground truth; both sides know their classes.

    Parameters
    ----------
    pairs : iterable of LabelPair
        What is compared with what.
    objects : bool
        Also match objects.
    control : RunControl, optional
        Stop and pause.
    on_event : callable, optional
        Is given each event.
    """
    todo = list(pairs)
    classes = common_classes(
        (pair.truth.classes for pair in todo if pair.truth.classes),
        (pair.prediction.classes for pair in todo if pair.prediction.classes),
    )
    work = iter_evaluation(todo, classes=classes, objects=objects, control=control)
    return run(work, on_event)


@dataclass(frozen=True)
class OpenedPairs:
    """Label images to compare, and the files that found no partner."""

    pairs: tuple[LabelPair, ...]
    unmatched: tuple[Path, ...] = ()


def open_label_pairs(
    truth: Path, segmentation: Path, config: DataConfig
) -> OpenedPairs:
    """Open ground truth and segmentations, paired by name, with their classes.

    Parameters
    ----------
    truth, segmentation : Path
        Files, folders or stores.
    config : DataConfig
        What the values mean, where the files do not say.

    Raises
    ------
    DataError
        When nothing matches, or the values cannot be understood.
    """
    if config.stack:
        files: tuple[tuple[Path, Path], ...] = ((truth, segmentation),)
        unmatched: tuple[Path, ...] = ()
    else:
        pairing = pair_files(truth, segmentation)
        files = pairing.pairs
        unmatched = (*pairing.unmatched_images, *pairing.unmatched_labels)
    opened = [
        (_read_labels(a, stack=config.stack), _read_labels(b, stack=config.stack))
        for a, b in files
    ]
    predictions = [b for _, b in opened]
    known = next((labels.classes for labels in predictions if labels.classes), None)
    truth_table = describe_labels([a for a, _ in opened], config, known)
    table = known or describe_labels(predictions, config, truth_table)
    pairs = tuple(
        LabelPair(
            image_stem(a.source) if a.source else a.name,
            a.with_classes(truth_table),
            b.with_classes(b.classes or table),
        )
        for a, b in opened
    )
    return OpenedPairs(pairs, unmatched)


def _read_labels(path: Path, *, stack: bool) -> LabelImage:
    return read_stack(path, labels=True) if stack else read_labels(path)


def write_overlays(
    folder: Path, pairs: Sequence[LabelPair], images: Mapping[Path, Image]
) -> Path:
    """Write a picture of each pair: segmentation and errors on the image.

    Of a volume the slice with most labels is shown.

    Parameters
    ----------
    folder : Path
        Made when it is missing.
    pairs : sequence of LabelPair
        With class tables.
    images : mapping of Path to Image
        By the path of the ground truth.
    """
    folder.mkdir(parents=True, exist_ok=True)
    classes = common_classes(
        (pair.truth.classes for pair in pairs if pair.truth.classes),
        (pair.prediction.classes for pair in pairs if pair.prediction.classes),
    )
    for pair in pairs:
        source = pair.truth.source
        if source is not None and source in images:
            _write_overlay(folder / f"{pair.name}.png", pair, images[source], classes)
    return folder


def _write_overlay(
    path: Path, pair: LabelPair, image: Image, classes: ClassTable
) -> None:
    truth, prediction = pair.truth.items()[0], pair.prediction.items()[0]
    labelled = [(truth.read(box) != 0).sum() for box in _slices(truth.shape)]
    box = _slices(truth.shape)[int(np.argmax(labelled))]
    write_overlay(
        path,
        image.items()[0].read(box)[:, 0],
        truth_indices=classes.to_index(truth.read(box)[0, 0]),
        predicted_indices=classes.to_index(prediction.read(box)[0, 0]),
        classes=classes,
    )


def _slices(shape: ZYX) -> list[Box]:
    n_z, n_y, n_x = shape
    return [(slice(z, z + 1), slice(0, n_y), slice(0, n_x)) for z in range(n_z)]


def describe_model(model: Model) -> list[str]:
    """Lines that tell a person what a model is."""
    spec = model.spec
    names = ", ".join(spec.channel_names) or "unnamed"
    scores = ", ".join(
        f"{name} {'-' if value is None else f'{value:.3f}'}"
        for name, value in spec.scores.items()
    )
    return [
        f"network: {spec.network.name} {spec.dims}D, depth {spec.network.depth}, "
        f"{spec.network.first_filters} first filters, "
        f"{model.info.n_parameters:,} parameters",
        f"input: {spec.axes}, {spec.n_channels} channels ({names}), voxel size "
        f"{format_voxel_size(spec.voxel_size)}",
        "classes: "
        + ", ".join(f"{row.value} {row.name}" for row in spec.classes.classes)
        + (" (objects)" if spec.classes.is_objects else ""),
        f"normalization: {spec.normalization.method} per {spec.normalization.scope}",
        f"validation: {scores or 'none, so no score is claimed'}",
        *(f"{key}: {value}" for key, value in _origin(spec.provenance).items()),
    ]


def _origin(provenance: Mapping[str, Any]) -> dict[str, Any]:
    shown = ("created", "iterations", "seconds", "seed", "images")
    return {key: provenance[key] for key in shown if key in provenance}


__all__ = [
    "OpenedPairs",
    "default_run_dir",
    "describe_model",
    "evaluate",
    "iter_resumed_run",
    "iter_training_run",
    "load_model",
    "merge_settings",
    "open_images",
    "open_label_pairs",
    "open_training_data",
    "plan_training",
    "predict",
    "resume",
    "run",
    "train",
    "write_overlays",
]
