"""How near the surfaces of a segmentation are to the true ones.

With d the distance from a surface voxel of one side to the nearest of the other:
boundary precision and recall are the shares of the predicted and of the true ones with
d up to a tolerance, and boundary F1 (the BF score, Csurka et al. 2013) their harmonic
mean; the normalized surface distance (Nikolov et al. 2021) is that share over both
sides together. The Hausdorff distance is the greatest d of either side, HD95 the
greater of both 95th percentiles, and the average symmetric surface distance the mean of
all d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_segtrain.config.evaluation import LengthUnit
from napari_segtrain.evaluation.distances import Distances, nearest_distances
from napari_segtrain.evaluation.ratios import ratio

if TYPE_CHECKING:
    from napari_segtrain.control import RunControl
    from napari_segtrain.evaluation.rulers import Ruler
    from napari_segtrain.evaluation.surfaces import Surfaces

_HIGH = 0.95


@dataclass(frozen=True)
class BoundaryScores:
    """Scores of the surfaces of one class.

    Parameters
    ----------
    class_name : str
        The class whose surfaces they are.
    unit : "um" or "voxels"
        Of all distances.
    from_truth, from_prediction : Distances
        To the nearest surface voxel of the other side.
    n_near_truth, n_near_prediction : int
        Those within the tolerance.
    """

    class_name: str
    unit: LengthUnit
    from_truth: Distances
    from_prediction: Distances
    n_near_truth: int
    n_near_prediction: int

    @property
    def key(self) -> str:
        """What adds up: the class."""
        return self.class_name

    @property
    def precision(self) -> float | None:
        """Share of the predicted surface within the tolerance of the true one."""
        return ratio(self.n_near_prediction, self.from_prediction.n)

    @property
    def recall(self) -> float | None:
        """Share of the true surface within the tolerance of the predicted one."""
        return ratio(self.n_near_truth, self.from_truth.n)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of both; 0 where only one side has a surface."""
        precision, recall = self.precision, self.recall
        if precision is None or recall is None:
            return None if precision is recall else 0.0
        return ratio(2 * precision * recall, precision + recall) or 0.0

    @property
    def surface_dice(self) -> float | None:
        """Normalized surface distance: share of both surfaces within the tolerance."""
        near = self.n_near_truth + self.n_near_prediction
        return ratio(near, self.from_truth.n + self.from_prediction.n)

    @property
    def hausdorff(self) -> float | None:
        """Greatest distance; ``None`` where a surface is missing."""
        return self._greatest(1.0)

    @property
    def hausdorff95(self) -> float | None:
        """Greater of the 95th percentiles of both sides."""
        return self._greatest(_HIGH)

    @property
    def mean_distance(self) -> float | None:
        """Average symmetric surface distance."""
        if not (self.from_truth.is_finite and self.from_prediction.is_finite):
            return None
        total = self.from_truth.total() + self.from_prediction.total()
        return total / (self.from_truth.n + self.from_prediction.n)

    def _greatest(self, share: float) -> float | None:
        if not (self.from_truth.is_finite and self.from_prediction.is_finite):
            return None
        sides = self.from_truth, self.from_prediction
        return max(side.percentile(share) for side in sides)

    def __add__(self, other: BoundaryScores) -> BoundaryScores:
        if (self.class_name, self.unit) != (other.class_name, other.unit):
            raise ValueError(
                f"cannot add surfaces of {self.class_name} in {self.unit} and of "
                f"{other.class_name} in {other.unit}"
            )
        return BoundaryScores(
            self.class_name,
            self.unit,
            self.from_truth + other.from_truth,
            self.from_prediction + other.from_prediction,
            self.n_near_truth + other.n_near_truth,
            self.n_near_prediction + other.n_near_prediction,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "class": self.class_name,
            "boundary_f1": self.f1,
            "boundary_precision": self.precision,
            "boundary_recall": self.recall,
            "surface_dice": self.surface_dice,
            "hausdorff": self.hausdorff,
            "hausdorff95": self.hausdorff95,
            "mean_distance": self.mean_distance,
            "unit": self.unit,
        }


def score_boundary(
    surfaces: Surfaces,
    class_name: str,
    ruler: Ruler,
    tolerance: float,
    control: RunControl | None = None,
) -> BoundaryScores:
    """Compare the surfaces of one class of an item.

    Parameters
    ----------
    surfaces : Surfaces
    class_name : str
    ruler : Ruler
        Of the image.
    tolerance : float
        In its unit.
    control : RunControl, optional
        After a stop the scores mean nothing.
    """
    truth, predicted = surfaces.truth, surfaces.predicted
    counted = predicted if surfaces.counts.all() else predicted[surfaces.counts]
    from_truth, from_prediction = (
        Distances.of(nearest_distances(points, targets, ruler.spacing, control))
        for points, targets in ((truth, predicted), (counted, truth))
    )
    return BoundaryScores(
        class_name,
        ruler.unit,
        from_truth,
        from_prediction,
        from_truth.n_within(tolerance),
        from_prediction.n_within(tolerance),
    )
