"""Pictures of a validation patch: the image, its ground truth, its prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from qtpy.QtGui import QImage

from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from napari_segtrain.image import ClassTable

_DIM = 0.35
_HATCH_EVERY = 8
_HATCH = 90
_FAINT = 0.4

Pixels = npt.NDArray[np.uint8]


class Patch(Protocol):
    """What is shown of a patch; `PreviewPatch` has it all."""

    @property
    def name(self) -> str:
        """Of the image."""
        ...

    @property
    def z(self) -> int:
        """Slice."""
        ...

    @property
    def image(self) -> Pixels:
        """Intensities in the range of a screen, shape (C, Y, X)."""
        ...

    @property
    def truth(self) -> Pixels:
        """Class indices, shape (Y, X); `IGNORE_INDEX` where unlabelled."""
        ...

    @property
    def prediction(self) -> Pixels:
        """Class indices, shape (Y, X)."""
        ...


def pictures_of(patch: Patch, classes: ClassTable) -> tuple[QImage, QImage, QImage]:
    """Draw a patch: image, ground truth on it, prediction on it.

    Foreground classes have their colors; what is not labelled is dim and hatched.
    """
    from napari_segtrain.evaluation.overlay import merge_channels, paint_classes

    pixels = merge_channels(list(patch.image))
    truth = paint_classes(pixels, patch.truth, classes)
    is_unlabelled = patch.truth == IGNORE_INDEX
    _dim(truth, is_unlabelled)
    _hatch(truth, is_unlabelled)
    prediction = paint_classes(pixels, patch.prediction, classes)
    return to_qimage(pixels), to_qimage(truth), to_qimage(prediction)


def labelled_picture(image: Pixels, truth: Pixels, classes: ClassTable) -> QImage:
    """Draw an image of shape (C, Y, X) with its labels on it.

    What is not labelled is hatched faintly, and not dim: it is most of a patch with
    strokes.
    """
    from napari_segtrain.evaluation.overlay import merge_channels, paint_classes

    pixels = paint_classes(merge_channels(list(image)), truth, classes)
    _hatch(pixels, truth == IGNORE_INDEX, _FAINT)
    return to_qimage(pixels)


def mean_iou(patch: Patch, classes: ClassTable) -> float | None:
    """Mean IoU of the foreground classes that the patch holds, unlabelled voxels aside.

    Returns
    -------
    float or None
        ``None`` when no foreground is there or predicted.
    """
    is_labelled = patch.truth != IGNORE_INDEX
    truth, prediction = patch.truth[is_labelled], patch.prediction[is_labelled]
    scores = []
    for index in classes.foreground:
        is_true, is_predicted = truth == index, prediction == index
        union = np.count_nonzero(is_true | is_predicted)
        if union:
            scores.append(np.count_nonzero(is_true & is_predicted) / union)
    return float(np.mean(scores)) if scores else None


def to_qimage(pixels: Pixels) -> QImage:
    """Copy pixels of shape (Y, X, 3) into a picture of its own."""
    height, width, _ = pixels.shape
    data = np.ascontiguousarray(pixels).tobytes()
    picture: Any = QImage(data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return picture.copy()


def _dim(pixels: Pixels, mask: npt.NDArray[np.bool_]) -> None:
    """Darken masked pixels, in place."""
    pixels[mask] = (pixels[mask] * _DIM).astype(np.uint8)


def _hatch(pixels: Pixels, mask: npt.NDArray[np.bool_], opacity: float = 1.0) -> None:
    """Draw diagonal lines over masked pixels, in place."""
    height, width = mask.shape
    diagonals = np.add.outer(np.arange(height), np.arange(width))
    lines = mask & (diagonals % _HATCH_EVERY == 0)
    mixed = pixels[lines] * (1 - opacity) + _HATCH * opacity
    pixels[lines] = mixed.astype(np.uint8)
