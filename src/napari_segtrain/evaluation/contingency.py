"""How many voxels each pair of ground-truth and predicted object shares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from napari_segtrain.data.runs import find_runs

Ids = npt.NDArray[np.uint64]

_MIN_WAITING = 1 << 20
"""Pairs of blocks that are summed up together, as each time all are sorted."""


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
    """Pairs of ids and the voxels of each."""

    truth: Ids
    predicted: Ids
    n_voxels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.n_voxels)

    def only(self, is_kept: npt.NDArray[np.bool_]) -> _PairCounts:
        """Some of the pairs."""
        return _PairCounts(
            self.truth[is_kept], self.predicted[is_kept], self.n_voxels[is_kept]
        )

    def summed(self) -> _PairCounts:
        """Pairs without repetition, sorted."""
        order = np.lexsort((self.predicted, self.truth))
        truth, predicted = self.truth[order], self.predicted[order]
        is_first = np.ones(len(truth), bool)
        is_first[1:] = (truth[1:] != truth[:-1]) | (predicted[1:] != predicted[:-1])
        first = np.flatnonzero(is_first)
        n_voxels = self.n_voxels[order]
        totals = np.add.reduceat(n_voxels, first) if len(first) else n_voxels
        return _PairCounts(truth[first], predicted[first], totals.astype(np.int64))


class _PairSums:
    """Pairs of ids, summed up over blocks."""

    def __init__(self) -> None:
        nothing = np.zeros(0, np.uint64)
        self._total = _PairCounts(nothing, nothing, np.zeros(0, np.int64))
        self._waiting: list[_PairCounts] = []

    def add(self, pairs: _PairCounts) -> None:
        """Add the pairs of a block, with repetition."""
        self._waiting.append(pairs.summed())
        if sum(map(len, self._waiting)) > _MIN_WAITING + len(self._total):
            self.total()

    def total(self) -> _PairCounts:
        """Sum of all, sorted."""
        parts = [self._total, *self._waiting]
        self._waiting.clear()
        self._total = _PairCounts(
            np.concatenate([part.truth for part in parts]),
            np.concatenate([part.predicted for part in parts]),
            np.concatenate([part.n_voxels for part in parts]),
        ).summed()
        return self._total


class Contingency:
    """Voxels shared by the objects of one image, accumulated over its blocks.

    An object may reach over several blocks. Objects of different images have nothing
    to do with each other, so each image needs a table of its own.
    """

    def __init__(self) -> None:
        self._labelled, self._unlabelled = _PairSums(), _PairSums()

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
        truth, predicted = truth_ids.ravel(), predicted_ids.ravel()
        is_void = np.zeros_like(truth, bool) if ignored is None else ignored.ravel()
        starts, n_voxels = find_runs(truth, predicted, is_void)
        runs = _PairCounts(_as_ids(truth[starts]), _as_ids(predicted[starts]), n_voxels)
        is_void = is_void[starts]
        self._labelled.add(runs.only(~is_void))
        if is_void.any():
            void = runs.only(is_void)
            self._unlabelled.add(replace(void, truth=np.zeros_like(void.truth)))

    def table(self) -> ContingencyTable:
        """Everything counted so far."""
        pairs = self._labelled.total()
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
        void = self._unlabelled.total()
        is_known = np.isin(void.predicted, predicted_ids)
        where = np.searchsorted(predicted_ids, void.predicted[is_known])
        n_void[where] = void.n_voxels[is_known]
        share: npt.NDArray[np.float64] = n_void / np.maximum(n_void + n_labelled, 1)
        return share


def _as_ids(labels: npt.NDArray[Any]) -> Ids:
    """Ids as uint64; negative values become large ones."""
    if labels.dtype.kind == "f":
        labels = labels.astype(np.int64)
    return labels.astype(np.uint64, copy=False)


def _index_ids(ids: Ids) -> tuple[Ids, npt.NDArray[np.intp]]:
    """Distinct ids with 0 first, and the position of every id among them."""
    distinct = np.union1d(ids, np.zeros(1, np.uint64))
    return distinct, np.searchsorted(distinct, ids)
