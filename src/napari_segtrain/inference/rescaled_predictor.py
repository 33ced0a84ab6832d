"""Prediction at the voxel size of the training, given back in voxels of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.boxes import nearest_first
from napari_segtrain.inference.collecting import affordable_numbers, collected
from napari_segtrain.inference.events import BlockPredicted
from napari_segtrain.inference.item_predictor import ItemPredictor
from napari_segtrain.inference.resampling import cut
from napari_segtrain.inference.rescaling import rescaling_of

if TYPE_CHECKING:
    from napari_segtrain.boxes import Box
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.control import RunControl
    from napari_segtrain.image import Image, Item
    from napari_segtrain.inference.events import EngineChosen
    from napari_segtrain.inference.item_predictor import Predictor
    from napari_segtrain.inference.items import ItemEvents
    from napari_segtrain.inference.protocol import TrainedModel
    from napari_segtrain.inference.rescaling import Rescaling
    from napari_segtrain.inference.uncertainty import Spread


def build_item_predictor(
    model: TrainedModel,
    image: Image,
    config: InferenceConfig,
    control: RunControl | None = None,
    n_voxels: int = 0,
    spread: Spread | None = None,
    max_numbers: int | None = None,
) -> Predictor:
    """Make what predicts boxes of an image with one model, rescaled where asked for.

    Parameters
    ----------
    model : TrainedModel
        What is applied.
    image : Image
        Whose items are predicted.
    config, control, n_voxels, spread
        As of `ItemPredictor`; voxels of the image are counted.
    max_numbers : int, optional
        Probabilities of a part; what fits in memory without.

    Raises
    ------
    ConfigError
        As of `ItemPredictor` and `rescaling_of`.
    DataError
        As of `rescaling_of`.
    """
    rescaling = rescaling_of(model, image, config)
    if rescaling is None:
        return ItemPredictor(model, config, control, n_voxels, spread)
    n_voxels = round(n_voxels * rescaling.growth)
    inner = ItemPredictor(model, config, control, n_voxels, spread)
    n_classes = len(model.spec.output_names)
    return RescaledPredictor(
        inner,
        rescaling,
        n_classes=n_classes,
        has_spread=spread is not None,
        is_sliced=model.info.dims < len(SPATIAL_AXES),
        max_numbers=max_numbers or affordable_numbers(config),
    )


class RescaledPredictor:
    """Predicts items of an image in the voxels of a network.

    Probabilities, and how far views differ, are brought back to the voxels of the
    image part by part; the network sees true context around each part.

    Parameters
    ----------
    predictor : Predictor
        Of items as the network sees them.
    rescaling : Rescaling
        Between the voxels of the image and those of the network.
    n_classes : int
        Of the blocks.
    has_spread : bool
        Whether blocks say how far views differ.
    is_sliced : bool
        Whether slices are predicted by themselves.
    max_numbers : int
        Of a part, in memory.

    Attributes
    ----------
    engines : tuple of EngineChosen
        Of the predictor.
    """

    def __init__(
        self,
        predictor: Predictor,
        rescaling: Rescaling,
        *,
        n_classes: int,
        has_spread: bool,
        is_sliced: bool,
        max_numbers: int,
    ) -> None:
        self._predictor = predictor
        self._rescaling = rescaling
        self._n_classes = n_classes
        self._has_spread = has_spread
        self._n_maps = n_classes + has_spread
        self._is_sliced = is_sliced
        self._max_voxels = max(1, max_numbers // self._n_maps)

    @property
    def engines(self) -> tuple[EngineChosen, ...]:
        """What runs the networks, each once."""
        return self._predictor.engines

    def predict(self, item: Item, box: Box, view: Box | None = None) -> ItemEvents:
        """Predict a box of an item of the image, in its own voxels.

        Of parts that are as large as memory allows, those of a view come first.
        """
        seen = self._rescaling.item(item)
        back = self._rescaling.back(item.shape)
        limit = self._max_voxels
        parts = cut(box, back.ratios, limit, is_sliced=self._is_sliced)
        if view is not None:
            parts = [parts[place] for place in nearest_first(parts, view)]
        speed = 1 / self._rescaling.growth
        for number, part in enumerate(parts):
            z, y, x = back.source(part)
            work = self._predictor.predict(seen, (z, y, x))
            step = number, len(parts)
            maps = yield from collected(work, (z, y, x), self._n_maps, step, speed)
            if maps is None:
                return False
            found = back.apply(maps, part)
            spread = found[-1] if self._has_spread else None
            z, y, x = part
            yield BlockPredicted((z, y, x), found[: self._n_classes], spread)
        return True
