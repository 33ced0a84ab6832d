"""Scores slice by slice, gathered while whole images are scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_segtrain.evaluation.semantic import ConfusionMatrix

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_segtrain.image import ClassTable


@dataclass(frozen=True)
class SliceScores:
    """Scores of one slice along Z of one item.

    Parameters
    ----------
    image : str
        Name of the image.
    index : dict of str to int
        Position on each item axis; empty without item axes.
    z : int
        Slice; 0 of a two-dimensional image.
    iou : float or None
        Mean over the foreground classes that have one; ``None`` where none has.
    class_iou : tuple of float or None
        In the order of the class index.
    n_truth : int
        Labelled voxels of the ground truth; 0 in a slice that does not count.
    """

    image: str
    index: dict[str, int]
    z: int
    iou: float | None
    class_iou: tuple[float | None, ...]
    n_truth: int


class SliceCurve:
    """Confusion matrix of an image and the scores of its slices.

    Parameters
    ----------
    image : str
        Its name.
    classes : ClassTable
        Classes that are compared.
    """

    def __init__(self, image: str, classes: ClassTable) -> None:
        self._image = image
        self._classes = classes
        self._done: list[SliceScores] = []
        self._place: tuple[dict[str, int], int] | None = None
        self._matrix = ConfusionMatrix(classes.n_classes)
        self.total = ConfusionMatrix(classes.n_classes)

    def add(
        self,
        index: dict[str, int],
        depth: slice,
        truth: npt.NDArray[np.uint8],
        predicted: npt.NDArray[np.uint8],
    ) -> None:
        """Count a block; parts of a slice must follow one another.

        Parameters
        ----------
        index : dict of str to int
            Item of the block.
        depth : slice
            Its slices along Z.
        truth, predicted : ndarray of uint8, shape (Z, Y, X)
            Class indices.
        """
        for offset, z in enumerate(range(depth.start, depth.stop)):
            if self._place != (index, z):
                self._close()
                self._place = (dict(index), z)
            self._matrix.add(truth[offset], predicted[offset])

    def add_counts(
        self, index: dict[str, int], z: int, counts: npt.NDArray[np.int64]
    ) -> None:
        """Add a slice that was counted elsewhere, see `ConfusionMatrix.counts`."""
        self._close()
        self._place = (index, z)
        self._matrix.add_counts(counts)

    def slices(self) -> list[SliceScores]:
        """Scores of the slices counted so far, in their order."""
        self._close()
        return self._done

    def _close(self) -> None:
        """Turn the counts of the present slice into scores."""
        if self._place is None:
            return
        index, z = self._place
        scores = self._matrix.scores(self._classes)
        ious = tuple(row.iou for row in scores.classes)
        overall = scores.overall
        self._done.append(
            SliceScores(self._image, index, z, overall.iou, ious, overall.n_truth)
        )
        self.total += self._matrix
        self._matrix = ConfusionMatrix(self._classes.n_classes)
        self._place = None
