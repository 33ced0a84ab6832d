"""Which class of the ground truth is which class of the prediction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.data.targets import TargetItem
from napari_segtrain.errors import DataError
from napari_segtrain.image import IGNORE_INDEX, ClassInfo, ClassTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.boxes import Box

_N_CODES = 256


@dataclass(frozen=True)
class ClassItem:
    """Label item as indices of the common classes, read box by box.

    Parameters
    ----------
    target : TargetItem
        Indices of the classes of its own table.
    indices : ndarray of uint8, shape (256,)
        Common class index of each of them, see `class_indices`.
    """

    target: TargetItem
    indices: npt.NDArray[np.uint8]

    @property
    def shape(self) -> ZYX:
        """Size in voxels, ZYX."""
        return self.target.shape

    def read(self, box: Box) -> npt.NDArray[np.uint8]:
        """Read common class indices, (Z, Y, X); `IGNORE_INDEX` where unlabelled."""
        return self._common(self.target.read(box))

    def read_both(self, box: Box) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
        """Read label values, and the common class indices that they stand for."""
        values, indices = self.target.read_both(box)
        return values, self._common(indices)

    def _common(self, indices: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Common indices of those of its own table."""
        if self._is_common:
            return indices
        return np.take(self.indices, indices, mode="clip")

    @cached_property
    def _is_common(self) -> bool:
        """Whether its own classes have the indices of the common ones already."""
        own = np.full(_N_CODES, IGNORE_INDEX, np.uint8)
        n_classes = self.target.classes.n_classes
        own[:n_classes] = range(n_classes)
        return np.array_equal(self.indices, own)


def class_indices(table: ClassTable, classes: ClassTable) -> npt.NDArray[np.uint8]:
    """Index among the common classes of each class of a side.

    Parameters
    ----------
    table : ClassTable
        Of the side.
    classes : ClassTable
        What `common_classes` made of it and of the tables of the other side.

    Returns
    -------
    ndarray of uint8, shape (256,)
        By the class index of the side; `IGNORE_INDEX` for what does not count.
    """
    indices = np.full(_N_CODES, IGNORE_INDEX, np.uint8)
    common = classes.classes
    for index, row in enumerate(table.classes):
        if table.is_objects or classes.is_objects:
            found = next((c for c in common if c.role == row.role), None)
        else:
            found = _same(row, classes.rows)
        if found in common:
            indices[index] = common.index(found)
    return indices


def matched_rows(
    truth: Sequence[ClassInfo], prediction: Sequence[ClassInfo]
) -> tuple[ClassInfo, ...]:
    """Rows of both sides as those of one table; see `common_classes`.

    Raises
    ------
    DataError
        When classes would be matched by value although the sides number them
        differently.
    """
    predicted = [row for row in prediction if row.role != "unlabelled"]
    partners = _partners(truth, predicted)
    _check_numbers(truth, predicted, partners)
    known = {value for row in truth for value in row.all_values}
    rows = [_joined(row, partners.get(row.value), known) for row in truth]
    taken = {row.value for row in partners.values()}
    for row in prediction:
        is_new = row.value not in taken and row.role != "unlabelled"
        is_marked = row.role == "unlabelled" and row.value not in known
        if is_new or is_marked:
            rows.append(replace(row, n_voxels=0))
    return tuple(sorted(rows, key=lambda row: (row.role != "background", row.value)))


def _partners(
    truth: Sequence[ClassInfo], prediction: Sequence[ClassInfo]
) -> dict[int, ClassInfo]:
    """Row of the prediction for each value of the ground truth that has one."""
    found: dict[int, ClassInfo] = {}
    for is_same in (_is_same_background, _has_same_name, _has_same_value):
        for row in truth:
            free = [p for p in prediction if p not in found.values()]
            partner = next((p for p in free if is_same(row, p)), None)
            if row.value not in found and partner is not None:
                found[row.value] = partner
    return found


def _same(row: ClassInfo, rows: Sequence[ClassInfo]) -> ClassInfo | None:
    """Row that a class became; of several with its name the one with its value."""
    for is_same in (_is_same_background, _has_same_name, _has_same_value):
        found = [other for other in rows if is_same(row, other)]
        if found:
            return next((r for r in found if _has_same_value(row, r)), found[0])
    return None


def _is_same_background(a: ClassInfo, b: ClassInfo) -> bool:
    return a.role == b.role == "background"


def _has_same_name(a: ClassInfo, b: ClassInfo) -> bool:
    is_class = a.role == b.role == "class"
    return is_class and a.name.strip().casefold() == b.name.strip().casefold()


def _has_same_value(a: ClassInfo, b: ClassInfo) -> bool:
    return not set(a.all_values).isdisjoint(b.all_values)


def _joined(row: ClassInfo, partner: ClassInfo | None, known: set[int]) -> ClassInfo:
    if partner is None or row.role == "unlabelled":
        return row
    new = tuple(value for value in partner.all_values if value not in known)
    aliases = (*row.aliases, *new) if row.role == "background" else row.aliases
    return replace(row, name=partner.name, color=partner.color, aliases=aliases)


def _check_numbers(
    truth: Sequence[ClassInfo],
    prediction: Sequence[ClassInfo],
    partners: dict[int, ClassInfo],
) -> None:
    """Refuse to match by value when the background has different values."""
    grounds = [
        [r for r in side if r.role == "background"] for side in (truth, prediction)
    ]
    if not all(grounds) or _has_same_value(grounds[0][0], grounds[1][0]):
        return
    named = {
        row.value
        for row in truth
        if row.value in partners and _has_same_name(row, partners[row.value])
    }
    unnamed = [r for r in truth if r.role == "class" and r.value not in named]
    taken = {partners[value].value for value in named}
    open_ = [r for r in prediction if r.role == "class" and r.value not in taken]
    if unnamed and open_:
        raise DataError(
            "The ground truth and the segmentation number their classes differently "
            f"({_listed(truth)} against {_listed(prediction)}); give the classes of "
            "the ground truth the names that the segmentation has (in the viewer: "
            "under 'Classes of the ground truth' in the Compare dock; as a command: "
            "--classes 0=background,1=myelin,2=axon)."
        )


def _listed(rows: Sequence[ClassInfo]) -> str:
    return ", ".join(f"{r.value} {r.name}" for r in rows if r.role != "unlabelled")
