"""Objects matched by their centers, for those too small for overlaps (vesicles)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from napari_segtrain.boxes import iter_blocks
from napari_segtrain.config.evaluation import LengthUnit
from napari_segtrain.data.runs import find_runs
from napari_segtrain.evaluation.instance import MAX_UNLABELLED_SHARE
from napari_segtrain.evaluation.match_counts import MatchCounts
from napari_segtrain.evaluation.matching import rival_groups
from napari_segtrain.evaluation.object_ids import BLOCK_VOXELS
from napari_segtrain.evaluation.ratios import ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_segtrain.boxes import Box
    from napari_segtrain.evaluation.contingency import ContingencyTable, Ids
    from napari_segtrain.image import LazyArray

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


def object_centers(ids: LazyArray, wanted: Ids, spacing: Sequence[float]) -> Centers:
    """Mean position of the voxels of objects.

    Parameters
    ----------
    ids : LazyArray of int, shape (Z, Y, X)
        Object ids, read box by box; 0 is background.
    wanted : ndarray of uint64, shape (n,)
        Rising ids that occur.
    spacing : sequence of float
        Length of a voxel along each axis.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        ZYX, from the center of the first voxel, in the unit of the spacing.
    """
    n_z, n_y, n_x = ids.shape
    positions = _Positions(wanted)
    for box in iter_blocks((n_z, n_y, n_x), BLOCK_VOXELS):
        positions.add(np.asarray(ids[box]), box)
    centers = positions.mean()
    centers *= np.array(spacing)
    return centers


class _Positions:
    """ZYX indices of the voxels of objects, summed up block by block."""

    def __init__(self, wanted: Ids) -> None:
        self._wanted = wanted
        self._sizes = np.zeros(len(wanted))
        self._sums = np.zeros((3, len(wanted)))

    def add(self, ids: npt.NDArray[Any], box: Box) -> None:
        """Add a box of whole rows."""
        n_x = ids.shape[-1]
        values = ids.ravel()
        starts, lengths = find_runs(values, row=n_x)
        index, is_wanted = self._find(values[starts].astype(np.uint64))
        lengths = lengths[is_wanted]
        row, x = np.divmod(starts[is_wanted], n_x)
        z, y = np.divmod(row, ids.shape[-2])
        n = len(self._wanted)
        self._sizes += np.bincount(index, lengths, minlength=n)
        middles = z + box[0].start, y + box[1].start, x + (lengths - 1) / 2
        for axis, middle in enumerate(middles):
            self._sums[axis] += np.bincount(index, lengths * middle, minlength=n)

    def mean(self) -> Centers:
        """Mean index of each object, (n, 3)."""
        return self._sums.T / self._sizes[:, np.newaxis]

    def _find(self, ids: Ids) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Position of each id that is wanted, and which are."""
        index = np.searchsorted(self._wanted, ids)
        is_wanted = index < len(self._wanted)
        is_wanted[is_wanted] = self._wanted[index[is_wanted]] == ids[is_wanted]
        return index[is_wanted], is_wanted


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
    truth_ids: LazyArray,
    predicted_ids: LazyArray,
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
    truth_ids, predicted_ids : LazyArray of int, shape (Z, Y, X)
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
