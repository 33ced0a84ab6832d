"""Objects matched by their centers, for those too small for overlaps (vesicles)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from napari_segtrain.config.evaluation import LengthUnit
from napari_segtrain.evaluation.instance import MAX_UNLABELLED_SHARE
from napari_segtrain.evaluation.match_counts import MatchCounts
from napari_segtrain.evaluation.matching import rival_groups
from napari_segtrain.evaluation.ratios import ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_segtrain.evaluation.contingency import ContingencyTable, Ids

Centers = npt.NDArray[np.float64]
Pairs = npt.NDArray[np.intp]

_BATCH_PAIRS = 256
"""The time of an assignment grows with the square of its pairs."""


@dataclass(frozen=True)
class CenterScores(MatchCounts):
    """Objects of one class whose centers are near to each other.

    Parameters
    ----------
    class_name : str
        The class whose objects they are.
    distance : float
        Greatest distance of a pair.
    unit : "um" or "voxels"
        Of the distances.
    n_truth, n_predicted, n_matched : int
        Objects, and pairs of them, each object at most once.
    sum_distance : float
        Over the pairs.
    """

    class_name: str
    distance: float
    unit: LengthUnit
    n_truth: int
    n_predicted: int
    n_matched: int
    sum_distance: float

    @property
    def key(self) -> str:
        """What adds up: the class."""
        return self.class_name

    @property
    def mean_distance(self) -> float | None:
        """Mean distance of the pairs."""
        return ratio(self.sum_distance, self.n_matched)

    def __add__(self, other: CenterScores) -> CenterScores:
        if (self.class_name, self.unit) != (other.class_name, other.unit):
            raise ValueError(
                f"cannot add centers of {self.class_name} in {self.unit} and of "
                f"{other.class_name} in {other.unit}"
            )
        return CenterScores(
            self.class_name,
            self.distance,
            self.unit,
            self.n_truth + other.n_truth,
            self.n_predicted + other.n_predicted,
            self.n_matched + other.n_matched,
            self.sum_distance + other.sum_distance,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "class": self.class_name,
            "center_distance": self.distance,
            "unit": self.unit,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "mean_distance": self.mean_distance,
            "n_truth": self.n_truth,
            "n_predicted": self.n_predicted,
            "n_matched": self.n_matched,
        }


def object_centers(
    ids: npt.NDArray[Any], wanted: Ids, spacing: Sequence[float]
) -> Centers:
    """Mean position of the voxels of objects.

    Parameters
    ----------
    ids : ndarray of int, shape (Z, Y, X)
        Object ids; 0 is background.
    wanted : ndarray of uint64, shape (n,)
        Rising ids that occur.
    spacing : sequence of float
        Length of a voxel along each axis.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        ZYX, from the center of the first voxel, in the unit of the spacing.
    """
    n_x = ids.shape[-1]
    rows = ids.reshape(-1, n_x)
    starts_new = np.ones(rows.shape, bool)
    starts_new[:, 1:] = rows[:, 1:] != rows[:, :-1]
    starts = np.flatnonzero(starts_new)
    lengths = np.diff(starts, append=rows.size)
    labels = rows.ravel()[starts].astype(np.uint64)
    is_wanted = np.isin(labels, wanted)
    starts, lengths = starts[is_wanted], lengths[is_wanted]
    index = np.searchsorted(wanted, labels[is_wanted])
    row, x = np.divmod(starts, n_x)
    z, y = np.divmod(row, ids.shape[-2])
    sizes = np.bincount(index, lengths, minlength=len(wanted))
    middle = (z, y, x + (lengths - 1) / 2)
    sums = [np.bincount(index, lengths * m, minlength=len(wanted)) for m in middle]
    centers: Centers = np.stack(sums, axis=1) / sizes[:, np.newaxis]
    centers *= np.array(spacing)
    return centers


def match_centers(
    truth: Centers, predicted: Centers, distance: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Match as many centers as possible, and among those ways the nearest.

    Parameters
    ----------
    truth, predicted : ndarray of float64, shape (n, 3)
    distance : float
        Greatest distance of a pair, in the same unit.

    Returns
    -------
    rows, columns : ndarray of int, shape (n_matched,)
        Of both sides, in the order of the first.
    distances : ndarray of float64, shape (n_matched,)
    """
    n_truth, n_predicted = len(truth), len(predicted)
    nothing = np.zeros(0, np.intp)
    if not (n_truth and n_predicted):
        return nothing, nothing, np.zeros(0)
    near = cKDTree(truth).sparse_distance_matrix(
        cKDTree(predicted), distance, output_type="coo_matrix"
    )
    alone, groups = rival_groups(near)
    batches = _batches(groups)
    chosen = [members[_nearest(near, members, distance)] for members in batches]
    picked = np.concatenate([alone, *chosen])
    picked = picked[np.argsort(near.row[picked])]
    rows, columns = near.row[picked].astype(np.intp), near.col[picked].astype(np.intp)
    apart = np.linalg.norm(truth[rows] - predicted[columns], axis=1)
    return rows, columns, apart


def _batches(groups: Sequence[Pairs]) -> Iterator[Pairs]:
    """Groups of rivals, as many at once as take little time together."""
    batch: list[Pairs] = []
    for members in groups:
        batch.append(members)
        if sum(map(len, batch)) >= _BATCH_PAIRS:
            yield np.concatenate(batch)
            batch = []
    if batch:
        yield np.concatenate(batch)


def _nearest(near: sparse.coo_matrix, members: Pairs, distance: float) -> Pairs:
    """Positions of the best assignment among some pairs."""
    own_rows, row = np.unique(near.row[members], return_inverse=True)
    own_columns, column = np.unique(near.col[members], return_inverse=True)
    n_rows, n_columns = len(own_rows), len(own_columns)
    # A column of its own for each row stands for no partner; costs must not be 0.
    no_partner = distance * (n_rows + 1) + 3
    own = np.arange(n_rows)
    graph = sparse.csr_array(
        (
            np.concatenate([near.data[members] + 1, np.full(n_rows, no_partner)]),
            (np.concatenate([row, own]), np.concatenate([column, n_columns + own])),
        ),
        shape=(n_rows, n_columns + n_rows),
    )
    rows, columns = min_weight_full_bipartite_matching(graph)
    is_pair = columns < n_columns
    wanted = rows[is_pair] * n_columns + columns[is_pair]
    found: Pairs = np.flatnonzero(np.isin(row * n_columns + column, wanted))
    return found


def score_centers(
    table: ContingencyTable,
    truth_ids: npt.NDArray[Any],
    predicted_ids: npt.NDArray[Any],
    spacing: Sequence[float],
    distance: float,
    *,
    unit: LengthUnit,
    class_name: str,
) -> CenterScores:
    """Match the objects of one item by their centers.

    A predicted object without a partner that lies by more than half in unlabelled
    voxels counts nowhere, as with overlaps.

    Parameters
    ----------
    table : ContingencyTable
        Of the item.
    truth_ids, predicted_ids : ndarray of int, shape (Z, Y, X)
        Object ids; 0 is background.
    spacing : sequence of float
        Length of a voxel along each axis.
    distance : float
        Greatest distance of a pair, in the same unit.
    unit : "um" or "voxels"
    class_name : str
    """
    truth = object_centers(truth_ids, table.truth_ids[1:], spacing)
    predicted = object_centers(predicted_ids, table.predicted_ids[1:], spacing)
    rows, columns, apart = match_centers(truth, predicted, distance)
    counts = table.unlabelled_share[1:] <= MAX_UNLABELLED_SHARE
    counts[columns] = True
    return CenterScores(
        class_name,
        distance,
        unit,
        len(truth),
        int(counts.sum()),
        len(rows),
        float(apart.sum()),
    )
