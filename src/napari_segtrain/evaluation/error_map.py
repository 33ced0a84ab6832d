"""Where a segmentation is right and wrong, voxel by voxel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import SPATIAL_AXES, item_axes
from napari_segtrain.boxes import Box
from napari_segtrain.evaluation.aligned import BLOCK_VOXELS, aligned_items, may_go_on
from napari_segtrain.evaluation.events import EvaluationEvent
from napari_segtrain.evaluation.kept_slices import Place, place_of, slice_boxes
from napari_segtrain.evaluation.pairs import check_pair
from napari_segtrain.image import IGNORE_INDEX, ClassInfo, ClassTable

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence

    from napari_segtrain.control import RunControl
    from napari_segtrain.evaluation.object_marks import ItemMarks
    from napari_segtrain.evaluation.pairs import LabelPair

NOTHING, TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE, WRONG_CLASS = range(5)
SPLIT, MERGED = 5, 6

ERROR_CLASSES = ClassTable(
    (
        ClassInfo(NOTHING, "nothing", "#000000", "background"),
        ClassInfo(TRUE_POSITIVE, "true positive", "#009e73"),
        ClassInfo(FALSE_POSITIVE, "false positive", "#f0e442"),
        ClassInfo(FALSE_NEGATIVE, "false negative", "#d55e00"),
        ClassInfo(WRONG_CLASS, "wrong class", "#cc79a7"),
        ClassInfo(SPLIT, "split object", "#56b4e9"),
        ClassInfo(MERGED, "merged objects", "#0072b2"),
    )
)
"""Values, names and colors of error maps; color-blind people tell these colors apart
(Okabe and Ito 2008)."""

_BLOCK_VOXELS = BLOCK_VOXELS // 4
"""Fewer than elsewhere, as each makes several masks beside the whole map."""


@dataclass(frozen=True, eq=False)
class ErrorBlock(EvaluationEvent):
    """A part of an error map.

    Parameters
    ----------
    index : dict of str to int
        Position on each item axis; empty without item axes.
    box : Box
        Where it is in the item, ZYX voxels.
    codes : ndarray of uint8, shape (Z, Y, X)
        Values of `ERROR_CLASSES`.
    n_done, n_total : int
        Voxels, this block included, and in all.
    """

    index: dict[str, int]
    box: Box
    codes: npt.NDArray[np.uint8] = field(repr=False)
    n_done: int = 0
    n_total: int = 0


def error_classes(
    classes: ClassTable, *, has_objects: bool = False
) -> tuple[ClassInfo, ...]:
    """Rows that can occur.

    There is no wrong class where there is one foreground class, and nothing is split
    or merged where no objects are matched.
    """
    hidden = {NOTHING}
    if len(classes.foreground) < 2:  # noqa: PLR2004 - a second class to mistake it for
        hidden.add(WRONG_CLASS)
    if not has_objects:
        hidden |= {SPLIT, MERGED}
    return tuple(row for row in ERROR_CLASSES.rows if row.value not in hidden)


def error_codes(
    truth: npt.NDArray[np.uint8],
    predicted: npt.NDArray[np.uint8],
    classes: ClassTable,
) -> npt.NDArray[np.uint8]:
    """Say where foreground is right, added, missed or of the wrong class.

    Parameters
    ----------
    truth, predicted : ndarray of uint8, same shape
        Class indices; where the truth is `IGNORE_INDEX` there is nothing.
    classes : ClassTable
        Says which classes are foreground.

    Returns
    -------
    ndarray of uint8, same shape
        Values of `ERROR_CLASSES`; a voxel that is predicted to be nothing is a false
        negative where the truth is foreground.
    """
    is_foreground = np.zeros(IGNORE_INDEX + 1, bool)
    is_foreground[list(classes.foreground)] = True
    is_true, is_predicted = is_foreground[truth], is_foreground[predicted]
    codes = np.full(truth.shape, NOTHING, np.uint8)
    codes[is_predicted & ~is_true & (truth != IGNORE_INDEX)] = FALSE_POSITIVE
    codes[is_true & ~is_predicted] = FALSE_NEGATIVE
    codes[is_true & is_predicted] = WRONG_CLASS
    codes[is_true & (truth == predicted)] = TRUE_POSITIVE
    return codes


def mark_objects(codes: npt.NDArray[np.uint8], marks: ItemMarks, box: Box) -> None:
    """Tell true positives of split objects and of merging ones from others, in place.

    Voxels that are false positives, false negatives or of the wrong class stay so;
    what is both split and merged is merged.

    Parameters
    ----------
    codes : ndarray of uint8, shape (Z, Y, X)
        Of `error_codes`.
    marks : ItemMarks
        Of the item.
    box : Box
        Where the codes are in the item.
    """
    is_right = codes == TRUE_POSITIVE
    codes[is_right & marks.split.read(box)] = SPLIT
    codes[is_right & marks.merged.read(box)] = MERGED


def iter_error_map(
    pair: LabelPair,
    classes: ClassTable,
    *,
    marks: Sequence[ItemMarks] = (),
    places: Collection[Place] | None = None,
    control: RunControl | None = None,
) -> Generator[ErrorBlock, None, bool]:
    """Compare a pair block by block.

    Parameters
    ----------
    pair : LabelPair
        What to compare.
    classes : ClassTable
        Of both sides, see `common_classes`.
    marks : sequence of ItemMarks, optional
        For each item, which objects are split or merged; see `iter_object_marks`.
    places : collection of Place, optional
        The slices that are wanted, see `place_of`; all without.
    control : RunControl, optional
        Stop and pause, effective after the present block.

    Yields
    ------
    ErrorBlock
        They cover the ground truth, or the wanted slices, once and do not overlap.

    Returns
    -------
    bool
        Whether it came to its end.

    Raises
    ------
    DataError
        When the sizes differ.
    """
    check_pair(pair)
    items = pair.truth.items()
    n_done, n_total = 0, int(np.prod(pair.truth.array.shape, dtype=np.int64))
    sides = aligned_items(pair, classes, control)
    every: Sequence[ItemMarks | None] = marks or [None] * len(items)
    for item, (truth, prediction), marked in zip(items, sides, every, strict=True):
        wanted = [
            z
            for z in range(truth.shape[0])
            if places is None or place_of(item.index, z) in places
        ]
        n_done += (truth.shape[0] - len(wanted)) * truth.shape[1] * truth.shape[2]
        for box in slice_boxes(truth.shape, wanted, _BLOCK_VOXELS):
            if not may_go_on(control):
                return False
            codes = error_codes(truth.read(box), prediction.read(box), classes)
            if marked is not None:
                mark_objects(codes, marked, box)
            n_done += codes.size
            yield ErrorBlock(dict(item.index), box, codes, n_done, n_total)
    return True


def error_map_array(
    pair: LabelPair,
    classes: ClassTable,
    *,
    marks: Sequence[ItemMarks] = (),
    control: RunControl | None = None,
) -> npt.NDArray[np.uint8]:
    """Error map of a pair as one array.

    Parameters and errors are those of `iter_error_map`.

    Returns
    -------
    ndarray of uint8
        Values of `ERROR_CLASSES`, with the axes and the shape of the ground truth;
        nothing where it was stopped before.
    """
    array = np.zeros(pair.truth.array.shape, np.uint8)
    for block in iter_error_map(pair, classes, marks=marks, control=control):
        write_block(array, pair.truth.axes, block)
    return array


def write_block(array: npt.NDArray[Any], axes: str, block: ErrorBlock) -> None:
    """Enter a block into an array with the axes of the ground truth."""
    letters = item_axes(axes) + "".join(a for a in SPATIAL_AXES if a in axes)
    view = array.transpose([axes.index(letter) for letter in letters])
    if "Z" not in axes:
        view = np.expand_dims(view, -len(SPATIAL_AXES))
    index: tuple[Any, ...] = tuple(block.index[letter] for letter in item_axes(axes))
    view[(*index, *block.box)] = block.codes
