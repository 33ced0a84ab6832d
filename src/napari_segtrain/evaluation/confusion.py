"""Which class is taken for which: counts and shares with their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_segtrain.evaluation.semantic import SemanticScores
    from napari_segtrain.image import ClassTable

NO_PREDICTION = "no prediction"


@dataclass(frozen=True, eq=False)
class ConfusionTable:
    """Voxels by true class (rows) and predicted class (columns).

    Parameters
    ----------
    rows, columns : tuple of str
        Names of the classes; the last column is `NO_PREDICTION` where some voxels have
        none.
    counts : ndarray of int64, shape (rows, columns)
        Voxels.
    shares : ndarray of float64, shape (rows, columns)
        Of the voxels of each true class; 0 for a class that does not occur.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]

    @classmethod
    def of(cls, scores: SemanticScores, classes: ClassTable) -> ConfusionTable:
        """Name the counts of scores."""
        counts = np.array(scores.confusion, np.int64)
        rows = distinct_names([(row.name, row.value) for row in classes.classes])
        columns = [*rows, NO_PREDICTION]
        if not counts[:, -1].any():
            counts, columns = counts[:, :-1], columns[:-1]
        n_truth = counts.sum(axis=1, keepdims=True)
        shares = counts / np.maximum(n_truth, 1)
        return cls(tuple(rows), tuple(columns), counts, shares)


def distinct_names(named: Iterable[tuple[str, int]]) -> list[str]:
    """Names; one that two classes have gets the value of the second, too."""
    names: list[str] = []
    for name, value in named:
        names.append(f"{name}_{value}" if name in names else name)
    return names
