"""How well two divisions of the same voxels into objects agree, without matching them.

Two measures of connectomics, both from the sparse table of shared voxels. The adapted
Rand F-score (Arganda-Carreras et al. 2015) asks of pairs of voxels: with n_ij voxels in
true object i and predicted object j, precision = sum n_ij^2 / sum_j (sum_i n_ij)^2 and
recall = sum n_ij^2 / sum_i (sum_j n_ij)^2, pairs of a voxel with itself left out.
The variation of information (Meila 2007) is in bits per voxel:
H(prediction | truth) grows with every false split, H(truth | prediction) with every
false merge. Voxels of the true background do not count, as in the SNEMI3D challenge;
the predicted background counts as one object there.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.evaluation.ratios import ratio

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

    from napari_segtrain.evaluation.contingency import ContingencyTable


@dataclass(frozen=True)
class PartitionScores:
    """Sums from which both measures follow; those of several images add up.

    Parameters
    ----------
    n_voxels : int
        Voxels of true objects that are labelled.
    n_pairs, n_true_pairs, n_predicted_pairs : float
        Ordered pairs of voxels that are together on both sides, in the ground truth,
        and in the prediction.
    split_bits, merge_bits : float
        Conditional entropies times the voxels.
    """

    n_voxels: int = 0
    n_pairs: float = 0.0
    n_true_pairs: float = 0.0
    n_predicted_pairs: float = 0.0
    split_bits: float = 0.0
    merge_bits: float = 0.0

    @property
    def rand_precision(self) -> float | None:
        """Share of the pairs together in the prediction that truly are."""
        return ratio(self.n_pairs, self.n_predicted_pairs)

    @property
    def rand_recall(self) -> float | None:
        """Share of the pairs that truly are together that the prediction keeps so."""
        return ratio(self.n_pairs, self.n_true_pairs)

    @property
    def rand_f(self) -> float | None:
        """Adapted Rand F-score; the adapted Rand error is one minus this."""
        return ratio(2 * self.n_pairs, self.n_predicted_pairs + self.n_true_pairs)

    @property
    def voi_split(self) -> float | None:
        """H(prediction | truth), in bits."""
        return ratio(self.split_bits, self.n_voxels)

    @property
    def voi_merge(self) -> float | None:
        """H(truth | prediction), in bits."""
        return ratio(self.merge_bits, self.n_voxels)

    @property
    def voi(self) -> float | None:
        """Variation of information, in bits: the sum of both."""
        return ratio(self.split_bits + self.merge_bits, self.n_voxels)

    def __add__(self, other: PartitionScores) -> PartitionScores:
        sums = zip(astuple(self), astuple(other), strict=True)
        return PartitionScores(*(a + b for a, b in sums))

    def to_dict(self) -> dict[str, float | None]:
        """Plain values for JSON."""
        return {
            "rand_f": self.rand_f,
            "rand_precision": self.rand_precision,
            "rand_recall": self.rand_recall,
            "voi": self.voi,
            "voi_split": self.voi_split,
            "voi_merge": self.voi_merge,
        }


def score_partition(table: ContingencyTable) -> PartitionScores:
    """Compare the objects of one image.

    Parameters
    ----------
    table : ContingencyTable
        The first row, the true background, does not count.
    """
    shared = table.counts[1:].tocoo()
    counts = shared.data.astype(np.float64)
    n_rows, n_columns = shared.shape
    true_size = np.bincount(shared.row, counts, minlength=n_rows)
    predicted_size = np.bincount(shared.col, counts, minlength=n_columns)
    return PartitionScores(
        n_voxels=int(counts.sum()),
        n_pairs=_n_pairs(counts),
        n_true_pairs=_n_pairs(true_size),
        n_predicted_pairs=_n_pairs(predicted_size),
        split_bits=float(counts @ np.log2(true_size[shared.row] / counts)),
        merge_bits=float(counts @ np.log2(predicted_size[shared.col] / counts)),
    )


def _n_pairs(sizes: npt.NDArray[Any]) -> float:
    return float(sizes @ sizes - sizes.sum())
