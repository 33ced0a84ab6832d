"""Rows of layers that train together, as samples of the core."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Shapes

from napari_segtrain.data.dataset import Dataset, Sample
from napari_segtrain.data.restricted import restrict
from napari_segtrain.errors import DataError
from napari_segtrain.ui.layers.reading import (
    check_labels,
    check_layer_axes,
    guess_axes,
    image_from_layers,
    label_box,
    labels_from_layer,
)
from napari_segtrain.ui.layers.regions import check_region, region_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.image import Image as CoreImage
    from napari_segtrain.image import LabelImage

MAX_COPIED_BYTES = 16 << 20
"""Labels in memory up to this size, all rows together, are copied at once."""

MARGIN: ZYX = (16, 160, 160)
"""Voxels around labels that patches may show as context."""


@dataclass(frozen=True)
class SampleRow:
    """Layers that make one sample.

    Parameters
    ----------
    images : tuple of napari Image layers
        One, or several that are the channels of one image.
    labels : napari Labels layer, optional
        Ground truth; a row without is not complete.
    region : napari Shapes layer, optional
        Where labels count; everywhere without it.
    axes : str
        One letter per dimension of the data of each image; guessed when empty.
    level : int
        Level of a multiscale image.
    through_all : bool, optional
        Whether the shapes hold for all slices; by default when their layer is 2D.
    """

    images: tuple[Image, ...] = ()
    labels: Labels | None = None
    region: Shapes | None = None
    axes: str = ""
    level: int = 0
    through_all: bool | None = None

    @property
    def known_axes(self) -> str:
        """The axes, or the guess; empty without an image."""
        if self.axes or not self.images:
            return self.axes.upper()
        return guess_axes(self.images[0], self.labels)


def check_row(row: SampleRow) -> None:
    """Tell whether a row can be a sample; reads no voxel.

    Raises
    ------
    DataError
        With the reason when it cannot.
    """
    if not row.images:
        raise DataError("No image is chosen; open one, and choose its layer.")
    labels = _labels(row)
    axes = check_layer_axes(row.images[0], row.known_axes)
    image_from_layers(row.images, axes=axes, level=row.level)
    check_labels(labels)
    label_box(row.images[0], labels, axes, level=row.level)
    if row.region is not None:
        check_region(row.region)


def check_rows(rows: Sequence[SampleRow]) -> None:
    """Tell whether rows can train together; reads no voxel.

    Raises
    ------
    DataError
        With the reason when they cannot.
    """
    if not rows:
        raise DataError("There is no sample; add a row with an image and its labels.")
    for row in rows:
        check_row(row)
    counts = [_image(row).n_channels for row in rows]
    if len(set(counts)) > 1:
        odd = next(row for row, n in zip(rows, counts, strict=True) if n != counts[0])
        raise DataError(
            f"The image '{rows[0].images[0].name}' has {counts[0]} channels and "
            f"'{odd.images[0].name}' {_image(odd).n_channels}; images that train "
            "together need the same channels in the same order."
        )


def to_dataset(rows: Sequence[SampleRow], *, margin: ZYX = MARGIN) -> Dataset:
    """Make the data of a training of rows of layers.

    Quick enough for the GUI thread: no voxel of an image is read, and shapes are
    rasterized. Labels in memory are copied, up to `MAX_COPIED_BYTES` in all, so that
    painting on does not reach the training; larger and lazy ones are copied by the
    snapshot that a run takes when it starts.

    Parameters
    ----------
    rows : sequence of SampleRow
    margin : ZYX
        Voxels of the image around labels that cover only a part of it, for context.

    Raises
    ------
    DataError
        When a row is no sample, or rows do not fit together.
    """
    check_rows(rows)
    samples = []
    room = MAX_COPIED_BYTES
    images = list(dict.fromkeys((row.images[0], row.level) for row in rows))
    for row in rows:
        number = images.index((row.images[0], row.level))
        sample, room = _sample(row, margin, room, number)
        samples.append(sample)
    return Dataset(tuple(samples))


def uncopied_labels(rows: Sequence[SampleRow]) -> list[Labels]:
    """Layers whose labels `to_dataset` does not copy: they are large, or stored."""
    found, room = [], MAX_COPIED_BYTES
    for layer in (_labels(row) for row in rows):
        n_bytes = _bytes_in_memory(layer.data)
        if n_bytes is None or n_bytes > room:
            found.append(layer)
        else:
            room -= n_bytes
    return list(dict.fromkeys(found))


def _bytes_in_memory(array: Any) -> int | None:
    if not isinstance(array, np.ndarray) or isinstance(array, np.memmap):
        return None
    return array.nbytes


def _labels(row: SampleRow) -> Labels:
    if row.labels is None:
        raise DataError(
            "No labels are chosen; make some with New training labels, and paint."
        )
    return row.labels


def _image(row: SampleRow) -> CoreImage:
    return image_from_layers(row.images, axes=row.known_axes, level=row.level)


def _sample(row: SampleRow, margin: ZYX, room: int, number: int) -> tuple[Sample, int]:
    """One sample of the numbered image, and the bytes of labels left to copy."""
    first, labels, axes = row.images[0], _labels(row), row.known_axes
    truth = labels_from_layer(labels, axes=axes, image=first)
    truth, room = _copied(truth, room)
    region = None
    if row.region is not None:
        region = region_mask(
            row.region, first, axes, level=row.level, through_all=row.through_all
        )
    box = label_box(first, labels, axes, level=row.level)
    sample = restrict(
        _image(row),
        truth,
        offset=box.offset,
        region=region,
        margin=margin,
        number=number,
    )
    return sample, room


def _copied(labels: LabelImage, room: int) -> tuple[LabelImage, int]:
    array: Any = labels.array
    n_bytes = _bytes_in_memory(array)
    if n_bytes is None or n_bytes > room:
        return labels, room
    return replace(labels, array=array.copy()), room - n_bytes
