"""How many voxels each pair of ground-truth and predicted object shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Ids = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class ContingencyTable:
    """Sparse table of the voxels shared by objects; id 0 is the background.

    Parameters
    ----------
    counts : csr_array of int64, shape (n_truth + 1, n_predicted + 1)
        Voxels; the first row and column are the background.
    truth_ids, predicted_ids : ndarray of uint64
        Object id of each row and column, 0 first.
    unlabelled_share : ndarray of float64, shape (n_predicted + 1,)
        Share of each predicted object's voxels that lie where the ground truth is
        unlabelled; those voxels are not in ``counts``.
    """

    counts: sparse.csr_array
    truth_ids: Ids
    predicted_ids: Ids
    unlabelled_share: npt.NDArray[np.float64]


@dataclass(frozen=True)
class _PairCounts:
    """Pairs of ids without repetition, sorted, and the voxels of each."""

    truth: Ids
    predicted: Ids
    n_voxels: npt.NDArray[np.int64]

    def merged(self, other: _PairCounts) -> _PairCounts:
        return _sum_repeated(
            np.concatenate([self.truth, other.truth]),
            np.concatenate([self.predicted, other.predicted]),
            np.concatenate([self.n_voxels, other.n_voxels]),
        )


class Contingency:
    """Voxels shared by the objects of one image, accumulated over its blocks.

    An object may reach over several blocks. Objects of different images have nothing
    to do with each other, so each image needs a table of its own.
    """

    def __init__(self) -> None:
        nothing = np.zeros(0, np.uint64)
        self._labelled = _count_pairs(nothing, nothing)
        self._unlabelled = self._labelled

    def add(
        self,
        truth_ids: npt.NDArray[Any],
        predicted_ids: npt.NDArray[Any],
        ignored: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Count a block.

        Parameters
        ----------
        truth_ids, predicted_ids : ndarray, same shape
            Object ids of any integer dtype (or floats with whole values); 0 is
            background.
        ignored : ndarray of bool, same shape, optional
            Voxels that are unlabelled in the ground truth.

        Raises
        ------
        ValueError
            When shapes differ.
        """
        if truth_ids.shape != predicted_ids.shape:
            raise ValueError(
                "truth and prediction differ in shape: "
                f"{truth_ids.shape}, {predicted_ids.shape}"
            )
        if ignored is not None and ignored.any():
            outside = _as_ids(predicted_ids[ignored])
            void = _count_pairs(np.zeros_like(outside), outside)
            self._unlabelled = self._unlabelled.merged(void)
            truth_ids, predicted_ids = truth_ids[~ignored], predicted_ids[~ignored]
        pairs = _count_pairs(_as_ids(truth_ids), _as_ids(predicted_ids))
        self._labelled = self._labelled.merged(pairs)

    def table(self) -> ContingencyTable:
        """Everything counted so far."""
        pairs = self._labelled
        truth_ids, rows = _index_ids(pairs.truth)
        predicted_ids, columns = _index_ids(pairs.predicted)
        shape = (len(truth_ids), len(predicted_ids))
        counts = sparse.csr_array((pairs.n_voxels, (rows, columns)), shape=shape)
        share = self._unlabelled_share(predicted_ids, counts.sum(axis=0))
        return ContingencyTable(counts, truth_ids, predicted_ids, share)

    def _unlabelled_share(
        self, predicted_ids: Ids, n_labelled: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        n_void = np.zeros(len(predicted_ids), np.int64)
        void = self._unlabelled
        is_known = np.isin(void.predicted, predicted_ids)
        where = np.searchsorted(predicted_ids, void.predicted[is_known])
        n_void[where] = void.n_voxels[is_known]
        share: npt.NDArray[np.float64] = n_void / np.maximum(n_void + n_labelled, 1)
        return share


def _as_ids(labels: npt.NDArray[Any]) -> Ids:
    """Ids as a flat uint64 array; negative values become large ones."""
    flat = labels.ravel()
    if flat.dtype.kind == "f":
        flat = flat.astype(np.int64)
    return flat.astype(np.uint64, copy=False)


def _count_pairs(truth: Ids, predicted: Ids) -> _PairCounts:
    """Count pairs by runs of equal voxels, of which there are far fewer."""
    changes = (truth[1:] != truth[:-1]) | (predicted[1:] != predicted[:-1])
    starts = np.flatnonzero(changes) + 1
    starts = np.concatenate([np.zeros(min(1, truth.size), np.intp), starts])
    lengths = np.diff(starts, append=truth.size)
    return _sum_repeated(truth[starts], predicted[starts], lengths)


def _sum_repeated(
    truth: Ids, predicted: Ids, n_voxels: npt.NDArray[np.int64]
) -> _PairCounts:
    order = np.lexsort((predicted, truth))
    truth, predicted, n_voxels = truth[order], predicted[order], n_voxels[order]
    is_first = np.ones(len(truth), bool)
    is_first[1:] = (truth[1:] != truth[:-1]) | (predicted[1:] != predicted[:-1])
    first = np.flatnonzero(is_first)
    totals = np.add.reduceat(n_voxels, first) if len(first) else n_voxels
    return _PairCounts(truth[first], predicted[first], totals.astype(np.int64))


def _index_ids(ids: Ids) -> tuple[Ids, npt.NDArray[np.intp]]:
    """Distinct ids with 0 first, and the position of every id among them."""
    distinct = np.union1d(ids, np.zeros(1, np.uint64))
    return distinct, np.searchsorted(distinct, ids)
