"""From chosen layers to what is to be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segtrain.ui.compare.compared_pair import ComparedPair
from napari_segtrain.ui.compare.comparison import Request
from napari_segtrain.ui.compare.overlap import overlay_labels
from napari_segtrain.ui.layers.results import result_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels

    from napari_segtrain.config import EvaluationConfig
    from napari_segtrain.ui.compare.comparison import Target


def make_requests(
    truth: Labels,
    predictions: Sequence[Labels],
    target: Target,
    config: EvaluationConfig,
) -> tuple[list[Request], tuple[ComparedPair, ...]]:
    """Lay each segmentation on the ground truth; nothing is read yet.

    Parameters
    ----------
    truth : napari Labels layer
    predictions : sequence of napari Labels layers
    target : Target
        What the values are, where it is not known.
    config : EvaluationConfig
        What is measured.

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
            target=target,
            config=config,
            n_maps=len(predictions),
        )
        for both, prediction in zip(overlaid, predictions, strict=True)
    ]
    pairs = tuple(
        ComparedPair(truth, prediction, both)
        for both, prediction in zip(overlaid, predictions, strict=True)
    )
    return requests, pairs
