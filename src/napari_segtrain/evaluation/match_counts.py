"""What follows from how many objects match, whatever it is that they match by."""

from __future__ import annotations

from napari_segtrain.evaluation.ratios import ratio


class MatchCounts:
    """Scores of objects that were matched one to one.

    Parameters
    ----------
    n_truth, n_predicted, n_matched : int
        Objects in the ground truth, in the prediction, and pairs of them (TP).
    """

    n_truth: int
    n_predicted: int
    n_matched: int

    @property
    def precision(self) -> float | None:
        """TP / (TP + FP)."""
        return ratio(self.n_matched, self.n_predicted)

    @property
    def recall(self) -> float | None:
        """TP / (TP + FN)."""
        return ratio(self.n_matched, self.n_truth)

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN)."""
        return ratio(2 * self.n_matched, self.n_truth + self.n_predicted)
