"""From the voxels of an image to those of a training, and back.

Also what of a model is given in voxels of its training, where the voxels of the image
are others: sizes and widths by which objects and classes are made of probabilities.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_segtrain.axes import SPATIAL_AXES, ZYX, VoxelSize, format_voxel_size
from napari_segtrain.errors import ConfigError, DataError
from napari_segtrain.image import Item
from napari_segtrain.inference.resampling import Resampling, resampled

if TYPE_CHECKING:
    from napari_segtrain.boxes import Box
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.data.object_recipe import ObjectRecipe
    from napari_segtrain.image import Image
    from napari_segtrain.inference.protocol import TrainedModel
    from napari_segtrain.models import Decision

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

    def recipe(self, recipe: ObjectRecipe) -> ObjectRecipe:
        """How objects are made of probabilities that have come back to the image."""
        pairs = zip(recipe.spacing, self.ratios, strict=True)
        sizes = [size / ratio for size, ratio in pairs]
        finest = min(sizes)
        z, y, x = (size / finest for size in sizes)
        widths = zip(recipe.smoothing, self.ratios, strict=True)
        sigma_z, sigma_y, sigma_x = (width * ratio for width, ratio in widths)
        return replace(
            recipe,
            spacing=(z, y, x),
            smoothing=(sigma_z, sigma_y, sigma_x),
            min_voxels=round(recipe.min_voxels / self.growth),
            radius=None if recipe.radius is None else recipe.radius / finest,
        )

    def decision(self, decision: Decision) -> Decision:
        """How classes are chosen by probabilities that have come back to the image."""
        return decision.in_voxels(self.ratios)

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
    ours, theirs = known_sizes(image, model.info.dims, model.spec.voxel_size)
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


def known_sizes(
    image: Image, dims: int, trained: VoxelSize | None
) -> tuple[VoxelSize, VoxelSize]:
    """Voxel sizes of an image and of a training, for rescaling.

    Parameters
    ----------
    image : Image
        What is predicted.
    dims : int
        Of the network.
    trained : tuple of float, optional
        µm ZYX.

    Raises
    ------
    ConfigError
        When that of the training is not known.
    DataError
        When that of the image is not known.
    """
    ours = image.voxel_size
    if trained is None or len(trained) < dims:
        raise ConfigError(
            "The model does not know the voxel size of its training (it says "
            f"{format_voxel_size(trained)}), so {image.name} cannot be brought to it; "
            "set rescale to false, or train the model again with data.voxel_size."
        )
    if ours is None:
        raise DataError(
            f"The voxel size of {image.name} is unknown, so it cannot be brought to "
            f"that of the training ({format_voxel_size(trained)}); save the image with "
            "its voxel size, or set rescale to false."
        )
    return ours, trained
