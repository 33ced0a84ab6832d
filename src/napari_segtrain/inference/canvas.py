"""The result of a prediction while it is being made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.boxes import Box, box_shape, relative
from napari_segtrain.data.object_recipe import ObjectRecipe
from napari_segtrain.data.targets import has_only_objects
from napari_segtrain.image import IGNORE_INDEX, ClassTable, Image, Item, LabelImage
from napari_segtrain.inference.decision import clean, decide, needs_neighbors
from napari_segtrain.inference.uncertainty import uncertainty_of
from napari_segtrain.objects.seeded import evidence_of, make_objects

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.inference.events import BlockPredicted
    from napari_segtrain.inference.protocol import Array32, TrainedSpec
    from napari_segtrain.models import Decision

_FULL = 255


def _numbers(values: Array32, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """0 to 1, or 0 to 255."""
    return np.rint(values * np.float32(_FULL)) if dtype == np.uint8 else values


def predicted_table(classes: ClassTable) -> ClassTable:
    """Table of labels in which every voxel was looked at."""
    is_partial = classes.zero == "painted-slices" or has_only_objects(classes)
    return replace(classes, zero="dense") if is_partial else classes


def cleaned_values(
    indices: npt.NDArray[np.uint8], classes: ClassTable, decision: Decision | None
) -> npt.NDArray[Any]:
    """Label values of class indices (Z, Y, X), once a decision has cleaned them.

    What was not predicted (`IGNORE_INDEX`) is 0.
    """
    if decision is not None:
        indices = clean(indices, decision)
    is_done = indices != IGNORE_INDEX
    values = classes.to_values(np.where(is_done, indices, np.uint8(0)))
    values[~is_done] = 0
    return values


class Canvas:
    """Arrays for the labels and the probability maps of an image.

    Parameters
    ----------
    image : Image
        What is predicted; gives axes and voxel size.
    spec : TrainedSpec
        Classes and outputs.
    box : Box
        Region of each item that is predicted; the result is as large.
    config : InferenceConfig
        Which maps are kept: probabilities of a type, and uncertainty.
    dropped : collection of str
        Item axes that the result lacks, as one index on them is predicted.
    decision : Decision, optional
        How probabilities become classes; the most likely class without it.
    objects : ObjectRecipe, optional
        How objects are made, where the labels are ids; of connected pieces without it.
    """

    def __init__(
        self,
        image: Image,
        spec: TrainedSpec,
        box: Box,
        config: InferenceConfig,
        *,
        dropped: Collection[str] = (),
        decision: Decision | None = None,
        objects: ObjectRecipe | None = None,
    ) -> None:
        self._image = image
        self._decision = decision
        self._classes = spec.classes
        self._outputs = spec.output_names
        self._recipe = objects or ObjectRecipe()
        self._holds_indices = needs_neighbors(decision) and not self._classes.is_objects
        self._box = box
        self._axes = "".join(a for a in image.axes if a != "C" and a not in dropped)
        self._item_axes = [axis for axis in self._axes if axis not in SPATIAL_AXES]
        counts = [image.array.shape[image.axes.index(a)] for a in self._item_axes]
        shape = (*counts, *box_shape(box))
        self._evidence = np.zeros((0, *shape), np.uint8)
        self._labels: npt.NDArray[Any] = np.zeros(0, np.uint8)
        if self._classes.is_objects:
            self._evidence = np.zeros((2, *shape), np.uint8)
        elif self._holds_indices:
            self._labels = np.full(shape, IGNORE_INDEX, np.uint8)
        else:
            dtype = self._classes.to_values(np.zeros(1, np.uint8)).dtype
            self._labels = np.zeros(shape, dtype)
        self._maps: npt.NDArray[Any] | None = None
        self._uncertain: npt.NDArray[Any] | None = None
        probabilities = config.probabilities
        if config.uncertainty != "none":
            if probabilities == "uint8":
                self._uncertain = np.zeros(shape, np.uint8)
            else:  # what was not predicted is not known
                self._uncertain = np.full(shape, np.nan, np.float32)
        if probabilities != "none":
            shape = (*counts, len(self._outputs), *box_shape(box))
            self._maps = np.zeros(shape, probabilities)
        self._n_painted = np.zeros((*counts, box_shape(box)[0]), np.int64)

    @property
    def done(self) -> npt.NDArray[np.bool_]:
        """For each item and slice along Z, whether all of it was painted."""
        _, n_y, n_x = box_shape(self._box)
        is_done: npt.NDArray[np.bool_] = self._n_painted == n_y * n_x
        return is_done

    def paint(self, item: Item, block: BlockPredicted) -> None:
        """Enter a block of an item."""
        index: tuple[Any, ...] = tuple(item.index[axis] for axis in self._item_axes)
        place = relative(block.box, self._box)
        self._n_painted[(*index, place[0])] += block.probabilities[0, 0].size
        if self._classes.is_objects:
            found = evidence_of(block.probabilities, self._recipe)
            self._evidence[(slice(None), *index, *place)] = found
        else:
            indices = decide(block.probabilities, self._decision)
            is_kept = self._holds_indices
            values = indices if is_kept else self._classes.to_values(indices)
            self._labels[(*index, *place)] = values
        if self._maps is not None:
            maps = _numbers(block.probabilities, self._maps.dtype)
            self._maps[(*index, slice(None), *place)] = maps
        if self._uncertain is not None:
            values = _numbers(uncertainty_of(block), self._uncertain.dtype)
            self._uncertain[(*index, *place)] = values

    def painted(self) -> dict[str, npt.NDArray[Any]]:
        """Return what was painted, not yet finished, by its name.

        Of item axes, then classes or kinds where there are several, then Z, Y, X:
        ``evidence`` of objects, or ``indices`` that a decision is to clean, or
        ``labels``; ``probabilities`` and ``uncertainty`` where they are kept.
        """
        if self._classes.is_objects:
            found = {"evidence": self._evidence}
        else:
            found = {"indices" if self._holds_indices else "labels": self._labels}
        if self._maps is not None:
            found["probabilities"] = self._maps
        if self._uncertain is not None:
            found["uncertainty"] = self._uncertain
        return found

    def labels(self) -> LabelImage:
        """Return the labels with the axes of the image; object ids for objects."""
        return LabelImage(
            self._in_order(self._values()),
            self._axes,
            self._image.voxel_size,
            name=self._image.name,
            classes=predicted_table(self._classes),
        )

    def probabilities(self) -> Image | None:
        """Return the maps, axes: item axes, C, spatial axes; one channel per class."""
        if self._maps is None:
            return None
        return Image(
            self._without_flat_z(self._maps),
            "".join(self._item_axes) + "C" + self._spatial,
            self._image.voxel_size,
            self._outputs,
            name=self._image.name,
        )

    def uncertainty(self) -> Image | None:
        """Return the map of uncertainty, with the axes of the labels."""
        if self._uncertain is None:
            return None
        return Image(
            self._in_order(self._uncertain),
            self._axes,
            self._image.voxel_size,
            name=self._image.name,
        )

    def _in_order(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bring item axes, Z, Y, X into the order of the image's axes."""
        letters = "".join(self._item_axes) + self._spatial
        order = [letters.index(axis) for axis in self._axes]
        return self._without_flat_z(array).transpose(order)

    @property
    def _spatial(self) -> str:
        return "".join(axis for axis in SPATIAL_AXES if axis in self._axes)

    def _without_flat_z(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return array if "Z" in self._axes else array.squeeze(-len(SPATIAL_AXES))

    def _values(self) -> npt.NDArray[Any]:
        """Label values, or object ids, of all items."""
        if self._classes.is_objects:
            return self._objects()
        if not self._holds_indices:
            return self._labels
        counts = self._labels.shape[: len(self._item_axes)]
        items = [self._item_values(self._labels[i]) for i in np.ndindex(*counts)]
        return np.stack(items).reshape(self._labels.shape)

    def _item_values(self, indices: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        return cleaned_values(indices, self._classes, self._decision)

    def _objects(self) -> npt.NDArray[np.uint32]:
        shape = self._evidence.shape[1:]
        ids = np.zeros(shape, np.uint32)
        for index in np.ndindex(*shape[: len(self._item_axes)]):
            ids[index] = make_objects(self._evidence[:, *index], self._recipe)
        return ids
