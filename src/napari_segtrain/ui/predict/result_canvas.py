"""The arrays of a result while blocks are written into them, in a thread."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import CHANNEL_AXIS, SPATIAL_AXES
from napari_segtrain.data.object_recipe import ObjectRecipe, output_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_segtrain.boxes import Box
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.image import ClassTable
    from napari_segtrain.inference.regions import RegionBlock
    from napari_segtrain.models import Decision
    from napari_segtrain.ui.layers.regions import OutlineMask
    from napari_segtrain.ui.predict.scope import Frame

Array = npt.NDArray[Any]

_FULL = 255
_OBJECTS = np.dtype(np.int32)
_EVIDENCE_BYTES = 2
_HALF = 128


@dataclass(frozen=True, eq=False)
class FormerArrays:
    """Arrays of a former result, which are gone on with where they fit.

    Parameters
    ----------
    labels, maps, uncertainty : ndarray, optional
        As of `ResultCanvas`.
    """

    labels: Array | None = None
    maps: Array | None = None
    uncertainty: Array | None = None


class ResultCanvas:
    """Labels and probability maps of one image.

    Labels lie in the axes of the frame; maps have one axis more in front, the classes.

    Parameters
    ----------
    frame : Frame
        Size and place.
    classes : ClassTable
        Of the model.
    config : InferenceConfig
        Which maps are kept: probabilities of a type, and uncertainty.
    objects : ObjectRecipe, optional
        How objects are made, where the labels are ids.
    former : FormerArrays, optional
        What to go on with; new arrays otherwise.
    decision : Decision, optional
        How probabilities become classes; the most likely class without it.
    mask : OutlineMask, optional
        Voxels of the image that are entered; what is around them stays.

    Attributes
    ----------
    n_painted : int
        Blocks painted so far; read by the GUI thread.
    is_closed : bool
        Set by any thread: nothing is painted any more.
    uncertainty_name : str
        What the map of uncertainty shows.
    """

    def __init__(
        self,
        frame: Frame,
        classes: ClassTable,
        config: InferenceConfig,
        *,
        objects: ObjectRecipe | None = None,
        former: FormerArrays | None = None,
        decision: Decision | None = None,
        mask: OutlineMask | None = None,
    ) -> None:
        self._mask = mask
        self._decision = decision
        self.frame = frame
        self.classes = classes
        self.outputs = output_names(classes, objects)
        self._recipe = objects or ObjectRecipe()
        self._evidence: list[Array] = []
        self.n_painted = 0
        self.is_closed = False
        former = former or FormerArrays()
        self.labels = _array(former.labels, frame.shape, labels_dtype(classes))
        self.maps: Array | None = None
        if config.probabilities != "none":
            shape = (len(self.outputs), *frame.shape)
            self.maps = _array(former.maps, shape, np.dtype(config.probabilities))
        self.uncertainty_name = config.uncertainty
        self.uncertainty: Array | None = None
        if config.uncertainty != "none":
            dtype = uncertainty_dtype(config)
            self.uncertainty = former.uncertainty
            if not _fits(former.uncertainty, frame.shape, dtype):
                self.uncertainty = unknown(frame.shape, dtype)

    def paint(self, block: RegionBlock) -> None:
        """Enter a block of an item."""
        from napari_segtrain.inference.decision import decide
        from napari_segtrain.inference.uncertainty import uncertainty_of
        from napari_segtrain.objects.seeded import evidence_of

        if self.is_closed:
            return
        index, box, probabilities = block.index, block.box, block.probabilities
        if self.classes.is_objects:
            found = evidence_of(probabilities, self._recipe)
            for array, channel in zip(self._evidence, found, strict=True):
                self._enter(array, index, box, channel)
            values = found[0] >= _HALF
        else:
            indices = decide(probabilities, self._decision)
            values = self.classes.to_values(indices)
        self._enter(self.labels, index, box, values)
        if self.maps is not None:
            for target, channel in zip(self.maps, probabilities, strict=True):
                self._enter(target, index, box, _numbers(channel, target.dtype))
        if self.uncertainty is not None:
            values = _numbers(uncertainty_of(block), self.uncertainty.dtype)
            self._enter(self.uncertainty, index, box, values)
        self.n_painted += 1

    def clear(self) -> None:
        """Forget what another model has left."""
        for array in (self.labels, self.maps):
            if array is not None:
                array[...] = 0
        if self.uncertainty is not None:
            empty = self.uncertainty.dtype.kind == "f"
            self.uncertainty[...] = np.nan if empty else 0

    def begin(self, items: Iterable[Mapping[str, int]], box: Box) -> None:
        """Clear what objects are to be found in; classes are written over."""
        if self.classes.is_objects:
            self._evidence = [np.zeros(self.frame.shape, np.uint8) for _ in range(2)]
            for index in items:
                self._enter(self.labels, index, box, 0)

    def finish(self, items: Iterable[Mapping[str, int]], box: Box) -> None:
        """Give the objects of each item their ids, beside those around the box."""
        if not self.classes.is_objects or self.is_closed:
            return
        from napari_segtrain.objects.seeded import make_objects

        for index in items:
            part = self._part(self.labels, index, box)
            self._enter(self.labels, index, box, 0)
            used = int(self._part(self.labels, index, self._whole_box()).max())
            evidence = [self._part(array, index, box) for array in self._evidence]
            ids = make_objects(np.stack(evidence), self._recipe).astype(part.dtype)
            self._enter(self.labels, index, box, np.where(ids, ids + used, part))
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
            self._enter(self.labels, index, box, self.classes.to_values(indices))
        self.n_painted += 1

    def fingerprint(self) -> str:
        """Short text that changes with any voxel of the labels."""
        return fingerprint_of(self.labels)

    def _enter(
        self, array: Array, index: Mapping[str, int], box: Box, values: Array | int
    ) -> None:
        """Write into a box of an item, where the mask says so."""
        target = self._part(array, index, box)
        if self._mask is None:
            target[...] = values
            return
        _, y, x = box
        inside = self._mask.read((y, x))
        np.copyto(target, values, where=inside, casting="unsafe")

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


def _fits(former: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return former is not None and (former.shape, former.dtype) == (shape, dtype)


def _array(former: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The former array if it fits, or else a new one."""
    if former is not None and _fits(former, shape, dtype):
        return former
    return np.zeros(shape, dtype)


def unknown(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A map of what is not predicted yet: not a number, or 0 where there is no such."""
    if dtype.kind == "f":
        return np.full(shape, np.nan, dtype)
    return np.zeros(shape, dtype)


def _numbers(values: npt.NDArray[np.float32], dtype: np.dtype[Any]) -> Array:
    """0 to 1, or 0 to 255."""
    return np.rint(values * np.float32(_FULL)) if dtype == np.uint8 else values


def uncertainty_dtype(config: InferenceConfig) -> np.dtype[Any]:
    """Type of a map of uncertainty."""
    is_small = config.probabilities == "uint8"
    return np.dtype(np.uint8 if is_small else np.float32)


def labels_dtype(classes: ClassTable) -> np.dtype[Any]:
    """Type of the labels of a model."""
    if classes.is_objects:
        return _OBJECTS
    return classes.to_values(np.zeros(1, np.uint8)).dtype


def bytes_per_voxel(
    classes: ClassTable, outputs: Sequence[str], config: InferenceConfig
) -> int:
    """Bytes of labels and maps together, and of what objects are made of."""
    n_bytes = labels_dtype(classes).itemsize
    if classes.is_objects:
        n_bytes += _EVIDENCE_BYTES
    if config.probabilities != "none":
        n_bytes += len(outputs) * np.dtype(config.probabilities).itemsize
    if config.uncertainty != "none":
        n_bytes += uncertainty_dtype(config).itemsize
    return n_bytes


def fingerprint_of(labels: Array) -> str:
    """Short text that changes with any voxel, type or size of labels."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{labels.shape} {labels.dtype}".encode())
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()
