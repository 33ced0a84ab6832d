"""Every object of a report as a point: its size against how well it is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.evaluation.object_list import (
        ObjectList,  # noqa: TC004 - loads SciPy
    )
    from napari_segtrain.evaluation.report import EvaluationReport

Column = npt.NDArray[Any]

_SEED = 0


@dataclass(frozen=True, eq=False)
class ObjectPoints:
    """Objects of all images, items and classes, one after another.

    Parameters
    ----------
    sizes : ndarray of int64, shape (n,)
        Labelled voxels.
    iou : ndarray of float64, shape (n,)
        The greatest with any object of the other side.
    kinds : ndarray of uint8, shape (n,)
        See `ObjectList`.
    lists : tuple of (str, ObjectList)
        Name of the image and its objects, in the same order.
    """

    sizes: Column
    iou: Column
    kinds: Column
    lists: tuple[tuple[str, ObjectList], ...]

    @classmethod
    def of(cls, report: EvaluationReport) -> ObjectPoints:
        """Take the objects of a report; none when they were not scored."""
        lists = tuple(
            (image.name, part) for image in report.images for part in image.lists or ()
        )
        parts = [part for _, part in lists]
        return cls(
            _joined([part.sizes for part in parts], np.int64),
            _joined([part.iou for part in parts], np.float64),
            _joined([part.kinds for part in parts], np.uint8),
            lists,
        )

    def __len__(self) -> int:
        return len(self.sizes)

    def sample(self, n: int) -> Column:
        """Positions of at most ``n`` objects, drawn at random; always the same ones."""
        if len(self) <= n:
            return np.arange(len(self))
        rng = np.random.default_rng(_SEED)
        return np.sort(rng.choice(len(self), n, replace=False))

    def row(self, position: int) -> dict[str, Any]:
        """Row of an object, as of `EvaluationReport.worst_objects`."""
        if not 0 <= position < len(self):
            raise IndexError(f"there is no object {position} of {len(self)}")
        ends = np.cumsum([len(part) for _, part in self.lists])
        number = int(np.searchsorted(ends, position, side="right"))
        name, part = self.lists[number]
        first = int(ends[number]) - len(part)
        return {"image": name, **part.row(position - first)}


def _joined(columns: Sequence[Column], dtype: npt.DTypeLike) -> Column:
    return np.concatenate([np.zeros(0, dtype), *columns])
