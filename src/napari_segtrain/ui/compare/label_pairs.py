"""Which Labels layer is likely to be ground truth, and which a segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_segtrain.ui.compare.error_layer import is_error_map
from napari_segtrain.ui.compare.swipe import is_swipe
from napari_segtrain.ui.layers.reading import read_class_table
from napari_segtrain.ui.layers.results import result_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels

_TRUTH_WORDS = ("truth", "label", "gt", "annotation", "manual")


def is_choosable(layer: Any) -> bool:
    """Whether a Labels layer can be compared; error maps and swipes cannot."""
    return not is_error_map(layer) and not is_swipe(layer)


def likely_pair(layers: Sequence[Labels]) -> tuple[Labels, Labels] | None:
    """Guess what is to be compared.

    The newest segmentation of this plugin, else the topmost layer that does not look
    like ground truth; and the labels that fit it best: of the same shape and place,
    with a class table, named like ground truth.

    Parameters
    ----------
    layers : sequence of napari Labels layers
        Top of the layer list first.

    Returns
    -------
    (Labels, Labels) or None
        Ground truth and segmentation; ``None`` for fewer than two layers.
    """
    if len(layers) < 2:  # noqa: PLR2004 - a pair
        return None
    results = [layer for layer in layers if result_of(layer) is not None]
    prediction = results[0] if results else min(layers, key=_truth_likeness)
    others = [layer for layer in layers if layer is not prediction]
    return max(others, key=lambda layer: _fit(layer, prediction)), prediction


def _fit(layer: Labels, prediction: Labels) -> tuple[bool, bool, bool, int]:
    return (
        tuple(layer.data.shape) == tuple(prediction.data.shape),
        _corner(layer) == _corner(prediction),
        result_of(layer) is None,
        _truth_likeness(layer),
    )


def _corner(layer: Labels) -> tuple[float, ...]:
    """World position of the first voxel, roughly."""
    return tuple(
        round(float(value), 3) for value in layer.data_to_world((0,) * layer.ndim)
    )


def _truth_likeness(layer: Labels) -> int:
    name = str(layer.name).lower()
    return (read_class_table(layer) is not None) + 2 * any(
        word in name for word in _TRUTH_WORDS
    )
