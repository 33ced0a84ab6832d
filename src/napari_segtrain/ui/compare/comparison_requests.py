"""From chosen layers to what is to be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari.layers import Labels

from napari_segtrain.config import EvaluationConfig
from napari_segtrain.data.restricted import RegionMask
from napari_segtrain.ui.classes.value_kinds import Target
from napari_segtrain.ui.compare.compared_pair import ComparedPair
from napari_segtrain.ui.compare.comparison import Request
from napari_segtrain.ui.compare.overlap import overlay_labels
from napari_segtrain.ui.layers.results import result_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.ui.compare.kept_comparison import Kept


@dataclass(frozen=True)
class Asked:
    """What is asked of every segmentation.

    Parameters
    ----------
    target : Target
        What the values are, where it is not known.
    config : EvaluationConfig
        What is measured.
    region : callable
        Prepares the region that counts, of the ground truth and its axes; see
        `RegionChoice.prepare`.
    region_name : str
        Of the shapes.
    """

    target: Target
    config: EvaluationConfig
    region: Callable[[Labels, str], Callable[[], RegionMask] | None]
    region_name: str


def make_requests(
    truth: Labels,
    predictions: Sequence[Labels],
    asked: Asked,
    before: Mapping[str, Kept],
) -> tuple[list[Request], tuple[ComparedPair, ...]]:
    """Lay each segmentation on the ground truth; nothing is read yet.

    Parameters
    ----------
    truth : napari Labels layer
    predictions : sequence of napari Labels layers
    asked : Asked
    before : mapping of str to Kept
        What earlier comparisons left, by the id of the layer.

    Returns
    -------
    requests : list of Request
    pairs : tuple of ComparedPair
        Their layers, in the same order.

    Raises
    ------
    DataError
        When a segmentation does not lie on the ground truth.
    """
    overlaid = [overlay_labels(truth, prediction) for prediction in predictions]
    requests = [
        Request(
            both,
            (truth.data, prediction.data),
            origin=result_of(prediction),
            target=asked.target,
            config=asked.config,
            region=asked.region(truth, both.overlap.truth_axes),
            region_name=asked.region_name,
            before=before.get(str(prediction.unique_id)),
            n_maps=len(predictions),
        )
        for both, prediction in zip(overlaid, predictions, strict=True)
    ]
    pairs = tuple(
        ComparedPair(truth, prediction, both)
        for both, prediction in zip(overlaid, predictions, strict=True)
    )
    return requests, pairs
