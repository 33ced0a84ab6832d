"""Prediction at the voxel size of the training, given back in voxels of the image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_segtrain.axes import SPATIAL_AXES, ZYX, VoxelSize, format_voxel_size
from napari_segtrain.errors import ConfigError, DataError
from napari_segtrain.image import Item
from napari_segtrain.inference.collecting import affordable_numbers, collected
from napari_segtrain.inference.events import BlockPredicted
from napari_segtrain.inference.item_predictor import ItemPredictor
from napari_segtrain.inference.resampling import Resampling, cut, resampled

if TYPE_CHECKING:
    from napari_segtrain.boxes import Box
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.control import RunControl
    from napari_segtrain.image import Image
    from napari_segtrain.inference.events import EngineChosen
    from napari_segtrain.inference.item_predictor import Predictor
    from napari_segtrain.inference.items import ItemEvents
    from napari_segtrain.inference.protocol import TrainedModel
    from napari_segtrain.inference.uncertainty import Spread

MIN_RATIO = 1.02
"""Voxel sizes that differ by less are taken for the same."""
MAX_RATIO = 32.0
"""Voxel sizes that differ by more are taken for a mistake."""
MAX_GROWTH = 16.0
"""Times as many voxels as the image has that the network is given at most."""


@dataclass(frozen=True)
class Rescaling:
    """How items of an image are brought to the voxels of a network, and back.

    Parameters
    ----------
    ratios : tuple of float
        Voxels of the image that a voxel of the network is long, along Z, Y and X.
    """

    ratios: tuple[float, float, float]

    @property
    def growth(self) -> float:
        """Voxels of the network for each of the image."""
        return 1 / math.prod(self.ratios)

    def item(self, item: Item) -> Item:
        """Item as the network sees it; made box by box where it is read."""
        along = dict(zip(SPATIAL_AXES, self.ratios, strict=True))
        ratios = tuple(along.get(axis, 1.0) for axis in item.axes)
        return Item(resampled(item.array, item.axes, ratios), item.axes, item.index)

    def shape(self, shape: ZYX) -> ZYX:
        """Size of an item as the network sees it."""
        z, y, x = Resampling(self.ratios, shape).shape
        return z, y, x

    def back(self, shape: ZYX) -> Resampling:
        """From the network's voxels to those of an item with this size."""
        ratios = tuple(1 / ratio for ratio in self.ratios)
        return Resampling(ratios, self.shape(shape))

    def box(self, box: Box, shape: ZYX) -> Box:
        """Voxels of the network that a box of an item of this size is made of."""
        z, y, x = self.back(shape).source(box)
        return z, y, x

    def context(self, width: ZYX) -> ZYX:
        """Voxels of the image that so many of the network, and one more, reach over."""
        pairs = zip(width, self.ratios, strict=True)
        z, y, x = (
            n if ratio == 1 else math.ceil((n + 1) * ratio) + 1 for n, ratio in pairs
        )
        return z, y, x


def rescaling_of(
    model: TrainedModel, image: Image, config: InferenceConfig
) -> Rescaling | None:
    """Compare the voxels of an image with those of the training.

    Parameters
    ----------
    model : TrainedModel
        What is applied.
    image : Image
        That fits it; see `check_fit`.
    config : InferenceConfig
        Whether rescaling is asked for.

    Returns
    -------
    Rescaling or None
        ``None`` where nothing is to be done. Networks for slices see them in Y and X
        as in training; what lies between slices has no meaning for them.

    Raises
    ------
    ConfigError
        When the model does not know its voxel size.
    DataError
        When that of the image is not known, or too far from it to be true.
    """
    if not config.rescale:
        return None
    ours, theirs = _known_sizes(model, image)
    n = model.info.dims
    pairs = zip(ours[-n:], theirs[-n:], strict=True)
    found = [wanted / size for size, wanted in pairs]
    if all(1 / MIN_RATIO < ratio < MIN_RATIO for ratio in found):
        return None
    near = [1.0 if 1 / MIN_RATIO < ratio < MIN_RATIO else ratio for ratio in found]
    z, y, x = [1.0] * (len(SPATIAL_AXES) - n) + near
    rescaling = Rescaling((z, y, x))
    farthest = max(max(ratio, 1 / ratio) for ratio in found)
    if farthest > MAX_RATIO or rescaling.growth > MAX_GROWTH:
        raise DataError(
            f"The voxels of {image.name} are {format_voxel_size(ours)}, but the model "
            f"was trained on {format_voxel_size(theirs)}, too far from it to rescale "
            f"({rescaling.growth:.3g} times as many voxels; up to {MAX_GROWTH:g} times "
            f"as many, and {MAX_RATIO:g} times as long ones, are possible); check the "
            "unit of the voxel size, or set rescale to false."
        )
    return rescaling


def _known_sizes(model: TrainedModel, image: Image) -> tuple[VoxelSize, VoxelSize]:
    ours, theirs = image.voxel_size, model.spec.voxel_size
    if theirs is None or len(theirs) < model.info.dims:
        raise ConfigError(
            "The model does not know the voxel size of its training (it says "
            f"{format_voxel_size(theirs)}), so {image.name} cannot be brought to it; "
            "set rescale to false, or train the model again with data.voxel_size."
        )
    if ours is None:
        raise DataError(
            f"The voxel size of {image.name} is unknown, so it cannot be brought to "
            f"that of the training ({format_voxel_size(theirs)}); save the image with "
            "its voxel size, or set rescale to false."
        )
    return ours, theirs


def build_item_predictor(
    model: TrainedModel,
    image: Image,
    config: InferenceConfig,
    control: RunControl | None = None,
    n_voxels: int = 0,
    spread: Spread | None = None,
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
        max_numbers=affordable_numbers(config),
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

    def predict(self, item: Item, box: Box) -> ItemEvents:
        """Predict a box of an item of the image, in its own voxels."""
        seen = self._rescaling.item(item)
        back = self._rescaling.back(item.shape)
        limit = self._max_voxels
        parts = cut(box, back.ratios, limit, is_sliced=self._is_sliced)
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
