"""From a model and an image to labels and probability maps."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import box_shape
from napari_segtrain.image import Image, Item, LabelImage
from napari_segtrain.inference.canvas import Canvas
from napari_segtrain.inference.committee import make_predictor
from napari_segtrain.inference.decision import chosen_decision
from napari_segtrain.inference.events import BlockPredicted, ItemPredicted, TileDone
from napari_segtrain.inference.fit import (
    check_fit,
    chosen_items,
    chosen_recipe,
    region,
)
from napari_segtrain.inference.items import predict_classes, predict_item

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari_segtrain.boxes import Box
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.inference.item_predictor import Predictor
    from napari_segtrain.inference.protocol import TrainedModel

__all__ = ["Prediction", "iter_prediction", "predict_classes", "predict_item"]


@dataclass(frozen=True)
class Prediction:
    """Result of `iter_prediction`.

    Parameters
    ----------
    labels : LabelImage
        Original label values (object ids for a model of objects), with the axes of the
        image but C and those of ``item``; 0 where the prediction was stopped before.
        Its ``classes`` are those of the model.
    probabilities : Image or None
        Item axes, one channel per class, spatial axes; uint8 (0-255) or float32 (0-1).
        Its channels have the names of the classes.
    seconds : float
        Duration.
    is_complete : bool
        False when stopped.
    first_slice : int
        Slice of the image along Z that the result begins with.
    item : dict of str to int
        Position on each item axis that the result lacks, since one was asked for.
    done : ndarray of bool, shape (item axes..., Z)
        For each item and slice of the result whether it was predicted to its end; all
        of them unless stopped.
    """

    labels: LabelImage
    probabilities: Image | None
    seconds: float
    is_complete: bool
    first_slice: int = 0
    item: dict[str, int] = field(default_factory=dict)
    done: npt.NDArray[np.bool_] = field(
        default_factory=lambda: np.zeros(0, bool), compare=False, repr=False
    )
    uncertainty: Image | None = None


def iter_prediction(
    model: TrainedModel | Sequence[TrainedModel],
    image: Image,
    config: InferenceConfig,
    *,
    slices: tuple[int, int] | None = None,
    items: Mapping[str, int] | None = None,
    control: RunControl | None = None,
    n_voxels: int = 0,
) -> Generator[Event, None, Prediction]:
    """Segment an image.

    Two-dimensional models segment a volume slice by slice. Each index on an item axis
    is an image by itself. Only the tiles in work are read from a lazy array.

    Parameters
    ----------
    model : TrainedModel or sequence of TrainedModel
        What is applied; the mean of several models of the same classes, whatever their
        networks. Of several, the most likely class is taken, and objects are made as
        those of the first are.
    image : Image
        Channels as in training.
    config : InferenceConfig
        Tiles, device, maps.
    slices : (int, int), optional
        First slice along Z, and the one after the last; the result holds only these.
        Three-dimensional models see the slices around them.
    items : mapping of str to int, optional
        Position on some item axes, such as ``{"T": 3}`` for one time point; the result
        lacks these axes. All items without it.
    control : RunControl, optional
        Stop and pause, effective after the present batch of tiles.
    n_voxels : int
        Of this image and others that the models are applied to, when there are more.

    Yields
    ------
    EngineChosen, TileDone, ItemPredicted

    Returns
    -------
    Prediction

    Raises
    ------
    ModelError
        When dimensions or channels do not fit, or models have different classes.
    DataError
        For NaN or infinite voxels, or slices and items that are not there.
    ConfigError
        When a tile has no room for its halo, the device is not there, or settings of
        objects are asked for that the model has no use for.
    PredictionError
        When the smallest tile does not fit in memory.
    """
    start = time.perf_counter()
    models = tuple(model) if isinstance(model, Sequence) else (model,)
    for each in models:
        check_fit(each, image)
    model = models[0]
    objects = chosen_recipe(model, config, image)
    box = region(image, slices)
    chosen = chosen_items(image, items)
    n_voxels = max(n_voxels, len(chosen) * math.prod(box_shape(box)))
    predictor = make_predictor(models, image, config, control, n_voxels)
    yield from predictor.engines
    canvas = Canvas(
        image,
        model.spec,
        box,
        config,
        dropped=tuple(items or {}),
        decision=chosen_decision(model, config, image) if len(models) == 1 else None,
        objects=objects,
    )
    work = _Work(predictor, chosen, box, canvas)
    is_complete = yield from work.run()
    return Prediction(
        labels=canvas.labels(),
        probabilities=canvas.probabilities(),
        uncertainty=canvas.uncertainty(),
        seconds=time.perf_counter() - start,
        is_complete=is_complete,
        first_slice=box[0].start,
        item=dict(items or {}),
        done=canvas.done,
    )


class _Work:
    """State of `iter_prediction`."""

    def __init__(
        self,
        predictor: Predictor,
        items: Sequence[Item],
        box: Box,
        canvas: Canvas,
    ) -> None:
        self._predictor = predictor
        self._items = items
        self._box = box
        self._canvas = canvas

    def run(self) -> Generator[Event, None, bool]:
        """Predict item by item; return whether all were completed."""
        n_items = len(self._items)
        for n_before, item in enumerate(self._items):
            is_complete = yield from self._predict(item, n_before)
            if not is_complete:
                return False
            yield ItemPredicted(item.index, n_before + 1, n_items)
        return True

    def _predict(self, item: Item, n_before: int) -> Generator[Event, None, bool]:
        events = self._predictor.predict(item, self._box)
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                return bool(end.value)
            if isinstance(event, BlockPredicted):
                self._canvas.paint(item, event)
            else:
                yield self._overall(event, n_before)

    def _overall(self, event: TileDone, n_before: int) -> TileDone:
        n_total = event.n_total * len(self._items)
        n_done = event.n_done + n_before * event.n_total
        return replace(event, n_done=n_done, n_total=n_total)
