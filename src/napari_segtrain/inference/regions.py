"""Parts of an image through a model; who asks puts the blocks where it wants them."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import Box, box_shape
from napari_segtrain.control import Event
from napari_segtrain.inference.committee import make_predictor
from napari_segtrain.inference.events import BlockPredicted, EngineChosen
from napari_segtrain.inference.fit import check_fit, fitted_config
from napari_segtrain.inference.item_predictor import item_key
from napari_segtrain.inference.preview import preview_box

if TYPE_CHECKING:
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.control import RunControl
    from napari_segtrain.image import Image
    from napari_segtrain.inference.item_predictor import Predictor
    from napari_segtrain.inference.protocol import TrainedModel


@dataclass(frozen=True)
class Region:
    """A box of an item.

    Parameters
    ----------
    index : dict of str to int
        Position on each item axis; empty without item axes.
    box : Box
        ZYX voxels.
    view : Box, optional
        What of it is looked at: predicted first, where tiles are not blended.
    """

    index: dict[str, int]
    box: Box
    view: Box | None = None


@dataclass(frozen=True, eq=False)
class RegionBlock(Event):
    """A part of a region that no later tile changes.

    Parameters
    ----------
    index : dict of str to int
        Position on each item axis.
    box : Box
        Where it is in the item, ZYX voxels.
    probabilities : ndarray of float32, shape (K, Z, Y, X)
        One channel per class, 0 to 1, adding up to 1.
    spread : ndarray of float32, shape (Z, Y, X), optional
        How far several views or networks differ, where that was asked for.
    """

    index: dict[str, int]
    box: Box
    probabilities: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class RegionsProgress(Event):
    """Tiles went through the network.

    Parameters
    ----------
    share : float
        Share of all voxels that is done, 0 to 1.
    seconds : float
        Since the start.
    """

    is_frequent: ClassVar[bool] = True

    share: float
    seconds: float


RegionEvents = Generator[EngineChosen | RegionBlock | RegionsProgress, None, bool]


def iter_regions(
    model: TrainedModel | Sequence[TrainedModel],
    image: Image,
    regions: Sequence[Region],
    config: InferenceConfig,
    *,
    control: RunControl | None = None,
    n_voxels: int = 0,
    has_preview: bool = False,
) -> RegionEvents:
    """Predict parts of an image, one after another, with true context around them.

    Nothing but the block under way is kept.

    Parameters
    ----------
    model : TrainedModel or sequence of TrainedModel
        What is applied; several have the same classes, and their mean is taken.
    image : Image
        Channels as in training.
    regions : sequence of Region
        Parts, in the order in which they are wanted.
    config : InferenceConfig
        Tiles and device.
    control : RunControl, optional
        Stop and pause, effective after the present batch of tiles.
    n_voxels : int
        Of these parts and others that the model is applied to, when there are more.
    has_preview : bool
        Whether a small part of the first view is given before engines are compared,
        and once more with its region.

    Yields
    ------
    EngineChosen, RegionBlock, RegionsProgress
        The engine first, after the preview. Blocks cover each region once.

    Returns
    -------
    bool
        Whether all regions are complete; false when stopped.

    Raises
    ------
    SegtrainError
        As `iter_prediction` does.
    """
    models = tuple(model) if isinstance(model, Sequence) else (model,)
    for each in models:
        check_fit(each, image)
    total = sum(math.prod(box_shape(region.box)) for region in regions)
    if has_preview and regions:
        yield from iter_first_blocks(models, image, regions[0], config, control)
    predictor = make_predictor(models, image, config, control, max(n_voxels, total))
    yield from predictor.engines
    work = _Work(image, predictor)
    n_done = 0
    for region in regions:
        is_complete = yield from work.predict(region, n_done, total)
        if not is_complete:
            return False
        n_done += math.prod(box_shape(region.box))
    return True


def iter_first_blocks(
    models: Sequence[TrainedModel],
    image: Image,
    region: Region,
    config: InferenceConfig,
    control: RunControl | None = None,
) -> Iterator[RegionBlock]:
    """Predict a small part of what is looked at, with the engine that is at hand.

    Parameters
    ----------
    models : sequence of TrainedModel
        What is applied.
    image : Image
        Channels as in training.
    region : Region
        What is to be predicted, and the view.
    config : InferenceConfig
        Tiles and device.
    control : RunControl, optional
        Stop and pause.

    Yields
    ------
    RegionBlock
        None where all is as quick, or nothing of it is looked at.

    Raises
    ------
    SegtrainError
        As `iter_prediction` does.
    """
    for each in models:
        check_fit(each, image)
    if region.view is None:
        return
    shape, fitted = image.items()[0].shape, fitted_config(config, models[0])
    part = preview_box(shape, region.box, region.view, models[0].info, fitted)
    if part is None:
        return
    work = _Work(image, make_predictor(models, image, config, control))
    for event in work.predict(Region(region.index, part), 0, 1):
        if isinstance(event, RegionBlock):
            yield event


class _Work:
    """What all regions of an image share."""

    def __init__(self, image: Image, predictor: Predictor) -> None:
        self._items = {item_key(item.index): item for item in image.items()}
        self._predictor = predictor
        self._start = time.perf_counter()

    def predict(self, region: Region, n_before: int, n_total: int) -> RegionEvents:
        item = self._items[item_key(region.index)]
        n_here = math.prod(box_shape(region.box))
        events = self._predictor.predict(item, region.box, region.view)
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                return bool(end.value)
            if isinstance(event, BlockPredicted):
                yield RegionBlock(
                    region.index, event.box, event.probabilities, event.spread
                )
            else:
                n_done = n_before + n_here * event.n_done / event.n_total
                seconds = time.perf_counter() - self._start
                yield RegionsProgress(n_done / n_total, seconds)
