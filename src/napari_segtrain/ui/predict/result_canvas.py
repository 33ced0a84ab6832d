"""The arrays of a result while blocks are written into them, in a thread."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import CHANNEL_AXIS, SPATIAL_AXES
from napari_segtrain.data.object_recipe import ObjectRecipe, output_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_segtrain.boxes import Box
    from napari_segtrain.image import ClassTable
    from napari_segtrain.models import Decision
    from napari_segtrain.ui.predict.scope import Frame

Array = npt.NDArray[Any]
Probabilities = Literal["none", "uint8", "float32"]

_FULL = 255
_OBJECTS = np.dtype(np.int32)
_EVIDENCE_BYTES = 2
_HALF = 128


class ResultCanvas:
    """Labels and probability maps of one image.

    Labels lie in the axes of the frame; maps have one axis more in front, the classes.

    Parameters
    ----------
    frame : Frame
        Size and place.
    classes : ClassTable
        Of the model.
    probabilities : str
        Type of the maps, or none.
    objects : ObjectRecipe, optional
        How objects are made, where the labels are ids.
    labels, maps : ndarray, optional
        Arrays to go on with; new ones otherwise.
    decision : Decision, optional
        How probabilities become classes; the most likely class without it.

    Attributes
    ----------
    n_painted : int
        Blocks painted so far; read by the GUI thread.
    is_closed : bool
        Set by any thread: nothing is painted any more.
    """

    def __init__(
        self,
        frame: Frame,
        classes: ClassTable,
        probabilities: Probabilities,
        *,
        objects: ObjectRecipe | None = None,
        labels: Array | None = None,
        maps: Array | None = None,
        decision: Decision | None = None,
    ) -> None:
        self._decision = decision
        self.frame = frame
        self.classes = classes
        self.outputs = output_names(classes, objects)
        self._recipe = objects or ObjectRecipe()
        self._evidence: list[Array] = []
        self.n_painted = 0
        self.is_closed = False
        self.labels = np.zeros(frame.shape, labels_dtype(classes))
        if labels is not None:
            self.labels = labels
        self.maps: Array | None = None
        if probabilities != "none":
            shape = (len(self.outputs), *frame.shape)
            self.maps = np.zeros(shape, probabilities) if maps is None else maps

    def paint(
        self, index: Mapping[str, int], box: Box, probabilities: npt.NDArray[np.float32]
    ) -> None:
        """Enter a block (K, Z, Y, X) of an item."""
        from napari_segtrain.inference.decision import decide
        from napari_segtrain.objects.seeded import evidence_of

        if self.is_closed:
            return
        if self.classes.is_objects:
            found = evidence_of(probabilities, self._recipe)
            for array, channel in zip(self._evidence, found, strict=True):
                self._part(array, index, box)[...] = channel
            values = found[0] >= _HALF
        else:
            indices = decide(probabilities, self._decision)
            values = self.classes.to_values(indices)
        self._part(self.labels, index, box)[...] = values
        if self.maps is not None:
            self._paint_maps(index, box, probabilities)
        self.n_painted += 1

    def clear(self) -> None:
        """Forget what another model has left."""
        for array in (self.labels, self.maps):
            if array is not None:
                array[...] = 0

    def begin(self, items: Iterable[Mapping[str, int]], box: Box) -> None:
        """Clear what objects are to be found in; classes are written over."""
        if self.classes.is_objects:
            self._evidence = [np.zeros(self.frame.shape, np.uint8) for _ in range(2)]
            for index in items:
                self._part(self.labels, index, box)[...] = 0

    def finish(self, items: Iterable[Mapping[str, int]], box: Box) -> None:
        """Give the objects of each item their ids, beside those around the box."""
        if not self.classes.is_objects or self.is_closed:
            return
        from napari_segtrain.objects.seeded import make_objects

        for index in items:
            part = self._part(self.labels, index, box)
            part[...] = 0
            used = int(self._part(self.labels, index, self._whole_box()).max())
            evidence = [self._part(array, index, box) for array in self._evidence]
            ids = make_objects(np.stack(evidence), self._recipe).astype(part.dtype)
            part[...] = np.where(ids, ids + used, 0)
        self._evidence = []
        self.n_painted += 1

    def clean(self, items: Iterable[Mapping[str, int]], box: Box) -> None:
        """Apply what of the decision needs the whole box."""
        from napari_segtrain.inference.decision import clean, needs_neighbors

        decision = self._decision
        if decision is None or not needs_neighbors(decision) or self.is_closed:
            return
        for index in items:
            part = self._part(self.labels, index, box)
            indices = clean(self.classes.to_index(part), decision)
            part[...] = self.classes.to_values(indices)
        self.n_painted += 1

    def fingerprint(self) -> str:
        """Short text that changes with any voxel of the labels."""
        return fingerprint_of(self.labels)

    def _paint_maps(
        self, index: Mapping[str, int], box: Box, probabilities: npt.NDArray[np.float32]
    ) -> None:
        maps: Array = probabilities
        if self.maps is not None and self.maps.dtype == np.uint8:
            maps = np.rint(maps * np.float32(_FULL))
        if self.maps is not None:
            for target, channel in zip(self.maps, maps, strict=True):
                self._part(target, index, box)[...] = channel

    def _part(self, array: Array, index: Mapping[str, int], box: Box) -> Array:
        """View of a box, ZYX, of an item of an array with the axes of the frame."""
        where = dict(zip(SPATIAL_AXES, box, strict=True))
        picks: list[int | slice] = []
        for letter in self.frame.axes:
            start = self.frame.origin.get(letter, 0)
            if letter in where:
                part = where[letter]
                picks.append(slice(part.start - start, part.stop - start))
            else:
                picks.append(0 if letter == CHANNEL_AXIS else index[letter] - start)
        view = array[tuple(picks)]
        letters = "".join(a for a in self.frame.axes if a in SPATIAL_AXES)
        if "Z" not in letters:
            view, letters = view[np.newaxis], f"Z{letters}"
        return view.transpose([letters.index(letter) for letter in SPATIAL_AXES])

    def _whole_box(self) -> Box:
        """Box of an item that the frame covers, ZYX voxels of the image."""
        sizes = dict(zip(self.frame.axes, self.frame.shape, strict=True))
        first = [self.frame.origin.get(letter, 0) for letter in SPATIAL_AXES]
        z, y, x = (
            slice(start, start + sizes.get(letter, 1))
            for start, letter in zip(first, SPATIAL_AXES, strict=True)
        )
        return z, y, x


def labels_dtype(classes: ClassTable) -> np.dtype[Any]:
    """Type of the labels of a model."""
    if classes.is_objects:
        return _OBJECTS
    return classes.to_values(np.zeros(1, np.uint8)).dtype


def bytes_per_voxel(
    classes: ClassTable, outputs: Sequence[str], probabilities: Probabilities
) -> int:
    """Bytes of labels and maps together, and of what objects are made of."""
    n_bytes = labels_dtype(classes).itemsize
    if classes.is_objects:
        n_bytes += _EVIDENCE_BYTES
    if probabilities != "none":
        n_bytes += len(outputs) * np.dtype(probabilities).itemsize
    return n_bytes


def fingerprint_of(labels: Array) -> str:
    """Short text that changes with any voxel, type or size of labels."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{labels.shape} {labels.dtype}".encode())
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()
