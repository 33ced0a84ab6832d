"""Whether labels look drawn with a brush: thin strokes on an open ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_COVERAGE = 0.25
"""Strokes cover at most this share of a slice."""

_MAX_VALUES = 16
_MIN_CLASS_SHARE = 0.05
"""Classes with less than this share of the labelled area are not looked at."""
_MIN_ELONGATION = 2.5
_MAX_WIDTH_RATIO = 2.0
_MIN_OPEN_SHARE = 0.8


@dataclass(frozen=True)
class _Form:
    """Form of the components of a class, medians weighted by area.

    ``elongation`` is area / (π · greatest inscribed radius²): 1 for a disc, large for a
    stroke; ``radius`` is that radius in pixels.
    """

    elongation: float
    radius: float


def look_drawn(plane: npt.NDArray[Any]) -> bool:
    """Whether the labels of a slice are strokes and not the outlines of structures.

    Strokes cover little, every class is drawn in long thin pieces, all with about the
    same brush, and what they leave at 0 hangs together. Dense labels of thin membranes
    differ: membranes cut the rest into cells, and the structures between them are
    round or of another width.

    Parameters
    ----------
    plane : ndarray of integers, shape (Y, X)
        Label values.
    """
    is_labelled = plane != 0
    n_labelled = int(is_labelled.sum())
    values, counts = np.unique(plane[is_labelled], return_counts=True)
    if not 0 < n_labelled < MAX_COVERAGE * plane.size or len(values) > _MAX_VALUES:
        return False
    if _open_share(~is_labelled) < _MIN_OPEN_SHARE:
        return False
    forms = []
    for value in values[counts >= _MIN_CLASS_SHARE * n_labelled]:
        forms.append(_form(plane == value))
        if forms[-1].elongation < _MIN_ELONGATION:
            return False
    radii = [form.radius for form in forms]
    return max(radii) <= _MAX_WIDTH_RATIO * min(radii)


def _open_share(ground: npt.NDArray[np.bool_]) -> float:
    """Share of the ground that is in its largest connected component."""
    from scipy import ndimage

    components, _ = ndimage.label(ground)
    return float(np.bincount(components[ground]).max() / ground.sum())


def _form(mask: npt.NDArray[np.bool_]) -> _Form:
    from scipy import ndimage

    rows, columns = ndimage.find_objects(mask.astype(np.uint8))[0]
    mask = np.pad(mask[rows, columns], 1)
    components, n = ndimage.label(mask, np.ones((3, 3)))
    numbers = components[mask] - 1
    radius = np.zeros(n)
    np.maximum.at(radius, numbers, ndimage.distance_transform_edt(mask)[mask])
    area = np.bincount(numbers)
    elongation = area / (np.pi * np.square(radius))
    return _Form(_median(elongation, area), _median(radius, area))


def _median(values: npt.NDArray[Any], weights: npt.NDArray[Any]) -> float:
    order = np.argsort(values)
    summed = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(summed, summed[-1] / 2)])
