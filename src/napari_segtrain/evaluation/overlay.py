"""A picture for people: the image, labels on it, and where they are wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageColor

from napari_segtrain.evaluation.error_map import (
    TRUE_POSITIVE,
    error_classes,
    error_codes,
)
from napari_segtrain.evaluation.legend import RGB, Panel, draw_panels
from napari_segtrain.io.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_segtrain.image import ClassTable

MAX_READ = 4096
"""Pixels along a side of a plane that are looked at; of longer ones every so many."""

_MAX_SIDE = 720
_MIN_SIDE = 400
_PERCENTILES = (0.5, 99.5)
_RGB_CHANNELS = (3, 4)

Pixels = npt.NDArray[np.uint8]


def write_overlay(
    path: Path,
    image_plane: npt.NDArray[Any],
    *,
    truth_indices: npt.NDArray[np.uint8] | None,
    predicted_indices: npt.NDArray[np.uint8],
    classes: ClassTable,
) -> None:
    """Write a PNG with image, ground truth, prediction and error map side by side.

    Panels are scaled to a handy size. Unlabelled voxels of the ground truth are left
    alone in the error map; without ground truth both are missing.

    Parameters
    ----------
    path : Path
        The PNG; replaced at once when it is complete.
    image_plane : ndarray, shape (C, Y, X)
        Intensities of any dtype. One channel is gray, two are green and magenta, the
        first three or more red, green and blue. Three or four channels of uint8 are
        colors as they are; all others are stretched between percentiles.
    truth_indices, predicted_indices : ndarray of uint8, shape (Y, X)
        Class indices.
    classes : ClassTable
        Names and colors.

    Raises
    ------
    ValueError
        When the planes differ in size.
    """
    truth = truth_indices
    for indices in (predicted_indices, truth):
        if indices is not None and indices.shape != image_plane.shape[1:]:
            raise ValueError(
                f"the image plane {image_plane.shape} and the class indices "
                f"{indices.shape} differ in size"
            )
    step = max(1, -(-max(predicted_indices.shape) // MAX_READ))
    image = _scaled(to_rgb(image_plane[:, ::step, ::step]), is_labels=False)
    predicted = _scaled(predicted_indices[::step, ::step], is_labels=True)
    panels = [Panel("image", image)]
    if truth is not None:
        true = _scaled(truth[::step, ::step], is_labels=True)
        panels.append(_class_panel("ground truth", image, true, classes))
    panels.append(_class_panel("prediction", image, predicted, classes))
    if truth is not None:
        panels.append(_error_panel(image, true, predicted, classes))
    with atomic_path(path) as temporary:
        draw_panels(panels).save(temporary, format="PNG", optimize=True)


def to_rgb(image_plane: npt.NDArray[Any]) -> Pixels:
    """Show a plane as colors.

    Parameters
    ----------
    image_plane : ndarray, shape (C, Y, X)
        Intensities, see `write_overlay`.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)
    """
    if _is_picture(image_plane):
        return np.ascontiguousarray(np.moveaxis(image_plane[:3], 0, -1))
    return merge_channels([_stretched(channel) for channel in image_plane[:3]])


def merge_channels(channels: Sequence[Pixels]) -> Pixels:
    """Show channels that are in the range of a screen as colors.

    Parameters
    ----------
    channels : sequence of ndarray of uint8, shape (Y, X)
        One is gray, two are green and magenta, the first three of more red, green and
        blue.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)
    """
    shown = list(channels[:3])
    n_channels = len(shown)
    if n_channels == 1:
        shown *= 3
    elif n_channels < len("RGB"):
        green, magenta = shown
        shown = [magenta, green, magenta]
    return np.stack(shown, axis=-1)


def stretch_channels(image_plane: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Bring intensities into the range of a screen.

    Parameters
    ----------
    image_plane : ndarray, shape (C, Y, X)
        Intensities of any dtype.

    Returns
    -------
    ndarray of uint8, shape (C, Y, X)
        Three or four channels of uint8 as they are; of all others each channel
        stretched between percentiles.
    """
    if _is_picture(image_plane):
        return np.array(image_plane)
    return np.stack([_stretched(channel) for channel in image_plane])


@dataclass(frozen=True)
class Window:
    """Least and greatest intensity that a screen tells apart.

    Parameters
    ----------
    low, high : float
        Shown as black and as full brightness.
    """

    low: float
    high: float

    @classmethod
    def of(cls, values: npt.NDArray[Any]) -> Window:
        """Take the percentiles of the finite values."""
        finite = values[np.isfinite(values)].astype(np.float32)
        low, high = np.percentile(finite, _PERCENTILES) if finite.size else (0.0, 1.0)
        return cls(float(low), float(high))

    def stretch(self, values: npt.NDArray[Any]) -> Pixels:
        """Bring intensities into the range of a screen; what is not finite is dark."""
        known = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
        scaled = (known - self.low) / max(self.high - self.low, 1e-12)
        pixels: Pixels = (np.clip(scaled, 0, 1) * 255).round().astype(np.uint8)
        return pixels


def paint_classes(
    pixels: Pixels, indices: npt.NDArray[np.uint8], classes: ClassTable
) -> Pixels:
    """Tint the foreground classes of a picture and draw their outlines.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (Y, X, 3)
        The picture; it stays as it is.
    indices : ndarray of uint8, shape (Y, X)
        Class indices.
    classes : ClassTable
        Colors.
    """
    painted = pixels.copy()
    for index in classes.foreground:
        color = ImageColor.getrgb(classes.classes[index].color)[:3]
        mask = indices == index
        _paint(painted, mask, color, 0.4)
        _paint(painted, _outline(mask), color, 0.9)
    return painted


def _class_panel(
    title: str, image: Pixels, indices: npt.NDArray[np.uint8], classes: ClassTable
) -> Panel:
    rows = (classes.classes[index] for index in classes.foreground)
    key = tuple((row.name, ImageColor.getrgb(row.color)[:3]) for row in rows)
    return Panel(title, paint_classes(image, indices, classes), key)


def _error_panel(
    image: Pixels,
    truth: npt.NDArray[np.uint8],
    predicted: npt.NDArray[np.uint8],
    classes: ClassTable,
) -> Panel:
    pixels = image.copy()
    key = []
    codes = error_codes(truth, predicted, classes)
    for row in error_classes(classes):
        color = ImageColor.getrgb(row.color)[:3]
        opacity = 0.5 if row.value == TRUE_POSITIVE else 0.75
        _paint(pixels, codes == row.value, color, opacity)
        key.append((row.name, color))
    return Panel("errors", pixels, tuple(key))


def _is_picture(image_plane: npt.NDArray[Any]) -> bool:
    """Whether channels are colors that are shown as they are."""
    return len(image_plane) in _RGB_CHANNELS and image_plane.dtype == np.uint8


def _stretched(channel: npt.NDArray[Any]) -> Pixels:
    """Stretch a channel between percentiles of its finite values."""
    return Window.of(channel).stretch(channel)


def _scaled(plane: Pixels, *, is_labels: bool) -> Pixels:
    """Bring a plane to the size of a panel; labels keep their values."""
    longest = max(plane.shape[:2])
    picture = PillowImage.fromarray(plane)
    if longest > _MAX_SIDE:
        factor = _MAX_SIDE / longest
        filter_ = PillowImage.Resampling.BOX
    else:
        factor = float(max(1, _MIN_SIDE // longest))
        filter_ = PillowImage.Resampling.NEAREST
    if is_labels:
        filter_ = PillowImage.Resampling.NEAREST
    height, width = (max(1, round(size * factor)) for size in plane.shape[:2])
    return np.array(picture.resize((width, height), filter_))


def _paint(
    pixels: Pixels, mask: npt.NDArray[np.bool_], color: RGB, opacity: float
) -> None:
    """Blend a color into the masked pixels, in place."""
    mixed = pixels[mask] * (1 - opacity) + np.array(color) * opacity
    pixels[mask] = mixed.round().astype(np.uint8)


def _outline(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels of a mask that touch its outside by a face, inside the picture."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    outline: npt.NDArray[np.bool_] = mask & ~inner
    return outline
