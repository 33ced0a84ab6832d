"""What objects are made of: a layer, read in threads."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from napari.layers import Image as ImageLayer
from napari.layers import Labels

from napari_segtrain.errors import DataError
from napari_segtrain.image import ClassTable, Image, LabelImage
from napari_segtrain.ui.classes.value_kinds import Target
from napari_segtrain.ui.layers.reading import (
    guess_axes,
    image_from_layers,
    labels_from_layer,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from napari.layers import Layer

    from napari_segtrain.image import Item
    from napari_segtrain.objects.preview_part import PreviewPart

MAX_VOXELS = 1 << 29
"""Of a layer that is made objects of; they are held in memory several times."""


@dataclass(frozen=True, eq=False)
class SeparationSource:
    """A layer of labels or of probabilities, as it was when it was chosen.

    Parameters
    ----------
    image : LabelImage or Image
        Its voxels; an image is a probability map.
    axes : str
        One letter per dimension of the layer.
    target : Target
        What label values are.
    channel : int
        Map that is meant.
    """

    image: LabelImage | Image
    axes: str
    target: Target = "auto"
    channel: int = 0
    _found: dict[str, ClassTable] = field(default_factory=dict)

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Size of an item, ZYX voxels."""
        return self.image.items()[0].shape

    def classes(self) -> ClassTable | None:
        """What label values mean, found once; ``None`` for probabilities.

        Raises
        ------
        DataError
            When that cannot be found out.
        """
        if isinstance(self.image, Image):
            return None
        if "classes" not in self._found:
            from napari_segtrain.config import DataConfig
            from napari_segtrain.data.classes import describe_labels

            data = DataConfig(target=self.target)
            self._found["classes"] = describe_labels([self.image], data)
        return self._found["classes"]

    def item(self, index: Mapping[str, int]) -> Item:
        """The item at a position."""
        items = self.image.items()
        return next((item for item in items if item.index == index), items[0])

    def masks(
        self, item: Item, z: int, part: PreviewPart
    ) -> dict[str, npt.NDArray[Any]] | None:
        """Mask of each class, or probabilities, of a part of a slice.

        ``None`` where values are ids of objects, which are there already.
        """
        from napari_segtrain.objects.by_class import FOREGROUND, class_masks

        y, x = part.window
        values = item.read((slice(z, z + 1), y, x))
        rows, columns = part.key
        steps = (slice(None, None, rows.step), slice(None, None, columns.step))
        values = values[:, :, *steps]
        classes = self.classes()
        if classes is None:
            return {FOREGROUND: values[self.channel]}
        return None if classes.is_objects else dict(class_masks(values[0], classes))


def source_of(layer: Layer, target: Target, channel: int = 0) -> SeparationSource:
    """Take what objects are made of from a layer.

    Parameters
    ----------
    layer : napari Labels or Image layer
    target : Target
        What label values are, where the layer does not say.
    channel : int
        Map of an image that is meant.

    Raises
    ------
    DataError
        When the layer is too large, or cannot be read.
    """
    if isinstance(layer, Labels):
        axes = guess_axes(layer)
        source = SeparationSource(labels_from_layer(layer, axes=axes), axes, target)
    else:
        if layer.rgb:
            raise DataError(
                f"'{layer.name}' is an RGB image, which holds no probabilities; choose "
                "labels or probability maps."
            )
        axes = maps_axes(layer)
        source = SeparationSource(
            image_from_layers([layer], axes=axes), axes, channel=channel
        )
    n_voxels = math.prod(source.shape)
    if n_voxels > MAX_VOXELS:
        raise DataError(
            f"'{layer.name}' has {n_voxels:,} voxels; objects of at most "
            f"{MAX_VOXELS:,} are made here, so crop it, or predict objects into a "
            "store, which is done in blocks."
        )
    return source


def maps_axes(layer: ImageLayer) -> str:
    """Axes of probability maps: those in front are classes, one more than Z, Y, X."""
    return guess_axes(layer, n_channels=2)


def n_maps(layer: ImageLayer) -> int:
    """Probability maps in a layer."""
    axes = maps_axes(layer)
    data = layer.data[0] if layer.multiscale else layer.data
    return int(data.shape[axes.index("C")]) if "C" in axes else 1
