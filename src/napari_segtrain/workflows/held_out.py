"""What a run held out of its training, as its model predicts it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import ZYX
from napari_segtrain.config import InferenceConfig
from napari_segtrain.control import Event
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.image import ClassTable, LabelImage
from napari_segtrain.inference.predictor import iter_prediction
from napari_segtrain.models import Model
from napari_segtrain.training.run_folder import RunFolder
from napari_segtrain.training.snapshot import read_snapshot
from napari_segtrain.workflows.evaluation import score_pairs
from napari_segtrain.workflows.models import load_model
from napari_segtrain.workflows.running import Listener, run
from napari_segtrain.workflows.settings import parse_evaluation, parse_inference

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_segtrain.axes import VoxelSize
    from napari_segtrain.control import RunControl
    from napari_segtrain.data.split import Region
    from napari_segtrain.evaluation.report import EvaluationReport
    from napari_segtrain.image import Image


@dataclass(frozen=True)
class RegionPredicted(Event):
    """Held-out regions that are predicted."""

    n_done: int
    n_total: int


@dataclass(frozen=True, eq=False)
class HeldOutRegion:
    """A held-out part of a sample: image, ground truth and prediction.

    Parameters
    ----------
    name : str
        Of the sample.
    image : ndarray, shape (C, Z, Y, X)
    truth, prediction : LabelImage
        (Z, Y, X), with classes; (Y, X) of a flat image.
    start : ZYX
        First voxel in the item.
    """

    name: str
    image: npt.NDArray[Any]
    truth: LabelImage
    prediction: LabelImage
    start: ZYX

    @property
    def pair(self) -> LabelPair:
        """Both sides, to be scored."""
        return LabelPair(self.name, self.truth, self.prediction)


def evaluate_held_out(
    folder: str | Path,
    *,
    control: RunControl | None = None,
    on_event: Listener | None = None,
    **settings: Any,
) -> EvaluationReport:
    """Score a model on what its run held out.

    Parameters
    ----------
    folder : str or Path
        Run with a model.
    control : RunControl, optional
        Stop and pause.
    on_event : callable, optional
        Is given each event.
    **settings
        Those of `EvaluationConfig`, as ``objects=True``; and of `InferenceConfig`.

    Raises
    ------
    DataError
        When nothing was held out, or the data of the run are not there any more.
    ConfigError
        When a setting is unknown, or its value not allowed.
    """
    config, others = parse_evaluation(settings)
    work = iter_held_out(Path(folder), parse_inference(others), control=control)
    regions = run(work, on_event)
    return score_pairs([region.pair for region in regions], config, control=control)


def iter_held_out(
    folder: Path,
    config: InferenceConfig | None = None,
    *,
    control: RunControl | None = None,
) -> Generator[Event, None, tuple[HeldOutRegion, ...]]:
    """Predict what a run held out; fewer regions after a stop.

    Parameters
    ----------
    folder : Path
        Run with a model.
    config : InferenceConfig, optional
        How it is predicted.
    control : RunControl, optional
        Stop and pause.

    Raises
    ------
    DataError
        When nothing was held out, or the data of the run are not there any more.
    ModelError
        When there is no model.
    """
    plan = RunFolder.open(folder).read_plan()
    split = plan.facts.split
    if plan.facts.folds:
        raise DataError(
            f"{folder} is a cross-validation, in which every sample was trained on by "
            "some of its networks; its validation scores are those of held-out samples."
        )
    if not split.validation:
        raise DataError(
            f"{folder} held nothing out ({split.reason}); compare with labels that it "
            "was not trained on."
        )
    dataset = read_snapshot(RunFolder.open(folder).snapshot_path)
    work = _HeldOut(
        dataset, load_model(folder), plan.facts.classes, config or InferenceConfig()
    )
    found: list[HeldOutRegion] = []
    for region in split.validation:
        made = yield from work.predict(region, control)
        if made is None:
            break
        found.append(made)
        yield RegionPredicted(len(found), len(split.validation))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """Data, model and settings of what is predicted."""

    dataset: Dataset
    model: Model
    classes: ClassTable
    config: InferenceConfig

    def predict(
        self, region: Region, control: RunControl | None
    ) -> Generator[Event, None, HeldOutRegion | None]:
        pair = self.dataset.pairs()[region.pair]
        sample = self.dataset.samples[pair.sample]
        z, y, x = region.box
        prediction = yield from iter_prediction(
            self.model,
            sample.image,
            self.config,
            slices=(z.start, z.stop),
            items=pair.image.index,
            control=control,
        )
        if not prediction.is_complete:
            return None
        (item,) = prediction.labels.items()
        predicted = item.read((slice(0, z.stop - z.start), y, x))[0]
        truth = pair.labels.read(region.box)[0]
        size, table = sample.voxel_size, prediction.labels.classes
        name = pair.name
        return HeldOutRegion(
            name,
            pair.image.read(region.box),
            _labels(truth, sample.image, size, f"{name} ground truth", self.classes),
            _labels(predicted, sample.image, size, f"{name} prediction", table),
            region.start,
        )


def _labels(
    values: npt.NDArray[Any],
    image: Image,
    voxel_size: VoxelSize | None,
    name: str,
    classes: ClassTable | None,
) -> LabelImage:
    is_flat = "Z" not in image.axes
    array = np.ascontiguousarray(values[0] if is_flat else values)
    axes = "YX" if is_flat else "ZYX"
    return LabelImage(array, axes, voxel_size, name, classes=classes)
