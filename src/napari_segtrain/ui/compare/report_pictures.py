"""The image that was segmented, for the pictures of a report; nothing is read here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import napari.layers

from napari_segtrain.axes import CHANNEL_AXIS
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.image import Image
from napari_segtrain.io.lazy import pick
from napari_segtrain.ui.compare.overlap import overlay_labels
from napari_segtrain.ui.layers.alignment import label_box
from napari_segtrain.ui.layers.reading import guess_axes, image_from_layers
from napari_segtrain.ui.layers.results import is_result, result_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_segtrain.ui.compare.compared_pair import ComparedPair
    from napari_segtrain.ui.compare.comparison import Comparison
    from napari_segtrain.ui.compare.overlap import Overlap


@dataclass(frozen=True)
class PictureSource:
    """What pictures are made from.

    Parameters
    ----------
    pair : LabelPair
        As it was compared.
    image : Image
        Of the same voxels.
    """

    pair: LabelPair
    image: Image


def picture_source(
    viewer: ViewerModel, pair: ComparedPair, comparison: Comparison
) -> PictureSource | None:
    """Find labels and image of a comparison among the layers; ``None`` without image.

    Parameters
    ----------
    viewer : ViewerModel
        Whose Image layers are looked at: the one that was segmented, else the topmost
        visible one, else any, that has the voxels of the labels.
    pair : ComparedPair
        Layers that were compared.
    comparison : Comparison
        Their results.
    """
    truth, prediction = pair.layers()
    if truth is None or prediction is None:
        return None
    try:
        overlaid = overlay_labels(truth, prediction)
    except DataError:
        return None
    if overlaid.overlap != comparison.overlap:
        return None
    image = _find_image(viewer, truth, prediction, comparison.overlap)
    if image is None:
        return None
    sides = zip((overlaid.truth, overlaid.prediction), comparison.tables, strict=True)
    one, other = (
        labels.with_classes(table) if table else labels for labels, table in sides
    )
    return PictureSource(LabelPair(one.name, one, other), image)


def _find_image(
    viewer: ViewerModel, truth: Labels, prediction: Labels, overlap: Overlap
) -> Image | None:
    source = (result_of(prediction) or {}).get("source_id")
    layers = [
        layer
        for layer in reversed(viewer.layers)
        if isinstance(layer, napari.layers.Image) and not is_result(layer)
    ]
    layers.sort(key=lambda layer: (str(layer.unique_id) != source, not layer.visible))
    found = (_cut(layer, truth, overlap) for layer in layers)
    return next((image for image in found if image is not None), None)


def _cut(layer: napari.layers.Image, truth: Labels, overlap: Overlap) -> Image | None:
    """Cut an image to what was compared; ``None`` when it does not have all of it."""
    axes = guess_axes(layer, truth)
    try:
        box = label_box(layer, truth, axes)
        whole = image_from_layers([layer], axes=axes)
    except DataError:
        return None
    sizes = dict(zip(overlap.axes, overlap.shape, strict=True))
    picks: list[int | slice] = []
    kept = ""
    for axis, size in zip(whole.axes, whole.array.shape, strict=True):
        if axis == CHANNEL_AXIS:
            picks.append(slice(0, size))
            kept += axis
            continue
        own = overlap.truth_axes[box.axes.index(axis)] if axis in box.axes else axis
        start = box.offset[axis] + overlap.origin.get(own, 0)
        stop = start + sizes.get(own, 1)
        if start < 0 or stop > size:
            return None
        picks.append(slice(start, stop) if own in sizes else start)
        kept += own if own in sizes else ""
    if set(kept) - {CHANNEL_AXIS} != set(sizes):
        return None
    return Image(pick(whole.array, tuple(picks)), kept, name=whole.name)
