"""A small picture by which a person knows a model again."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from napari_segtrain.evaluation.overlay import paint_classes, to_rgb

if TYPE_CHECKING:
    from napari_segtrain.image import ClassTable
    from napari_segtrain.training.events import Preview
    from napari_segtrain.training.previews import PreviewPatch

SIDE = 128
"""Pixels."""


def draw_thumbnail(preview: Preview) -> bytes | None:
    """Draw the patch with most foreground, the predicted classes as colors on it.

    Returns
    -------
    bytes or None
        A PNG of `SIDE` × `SIDE` pixels; ``None`` when there is no patch.
    """
    if not preview.patches:
        return None
    patch = max(
        preview.patches, key=lambda patch: _n_foreground(patch, preview.classes)
    )
    picture = _resized(to_rgb(patch.image), PillowImage.Resampling.BILINEAR)
    indices = _resized(patch.prediction, PillowImage.Resampling.NEAREST)
    painted = paint_classes(picture, indices, preview.classes)
    data = io.BytesIO()
    PillowImage.fromarray(painted).save(data, format="PNG", optimize=True)
    return data.getvalue()


def _n_foreground(patch: PreviewPatch, classes: ClassTable) -> int:
    return int(np.isin(patch.truth, classes.foreground).sum())


def _resized(
    plane: npt.NDArray[np.uint8], method: PillowImage.Resampling
) -> npt.NDArray[np.uint8]:
    """Square in the middle of a plane, (Y, X) or (Y, X, 3), as large as the picture."""
    n_y, n_x = plane.shape[:2]
    side = min(n_y, n_x)
    top, left = (n_y - side) // 2, (n_x - side) // 2
    square = np.ascontiguousarray(plane[top : top + side, left : left + side])
    return np.array(PillowImage.fromarray(square).resize((SIDE, SIDE), method))
