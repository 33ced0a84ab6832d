"""What of an image is predicted, and the place of the result in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_segtrain.axes import CHANNEL_AXIS, SPATIAL_AXES
from napari_segtrain.boxes import Box, box_shape, full_box
from napari_segtrain.ui.layers.look import Look, Window
from napari_segtrain.ui.layers.regions import OutlineMask

if TYPE_CHECKING:
    from napari_segtrain.image import Image, ZeroPolicy

MAX_WHOLE_BYTES = 512 << 20
"""A part of an image gets a result as large as the image up to this size."""


@dataclass(frozen=True)
class Scope:
    """Part of an image that is predicted.

    Parameters
    ----------
    slices : (int, int), optional
        First slice along Z, and the one after the last; all without it.
    frames : dict of str to int
        The one index that is predicted, per item axis (time, ...); all of an axis that
        is not named.
    window : (slice, slice), optional
        Y and X of what is predicted; all without it.
    mask : OutlineMask, optional
        Where results are entered, inside the window.
    look : Look
        What is looked at: predicted before the rest where that costs nothing.
    """

    slices: tuple[int, int] | None = None
    frames: dict[str, int] = field(default_factory=dict)
    window: Window | None = None
    mask: OutlineMask | None = None
    look: Look = field(default_factory=Look)

    def items(self, image: Image) -> list[dict[str, int]]:
        """Index of each item that is predicted; the one that is looked at first."""
        indices = [item.index for item in image.items()]
        chosen = [index for index in indices if self.frames.items() <= index.items()]
        seen = self.look.index.items()
        return sorted(chosen, key=lambda index: not index.items() <= seen)

    def box(self, image: Image) -> Box:
        """Box of each item that is predicted, ZYX voxels."""
        depth, height, width = image.items()[0].shape
        start, stop = self.slices or (0, depth)
        y, x = self.window or (slice(0, height), slice(0, width))
        return slice(start, stop), y, x

    def view(self, image: Image) -> Box | None:
        """Box that is looked at, ZYX voxels; ``None`` where nothing is."""
        if self.look.window is None:
            return None
        depth = image.items()[0].shape[0]
        z = self.look.index.get("Z", 0)
        return slice(z, z + 1) if depth > 1 else slice(0, 1), *self.look.window

    def boxes(self, image: Image, dims: int) -> list[Box]:
        """Return the box in the order of the work.

        A network of two dimensions predicts the slice that is looked at first; one of
        three would read its surroundings twice.
        """
        z, y, x = self.box(image)
        first = self.look.index.get("Z", -1)
        if dims == len(SPATIAL_AXES) or not z.start <= first < z.stop:
            return [(z, y, x)]
        cuts = [(first, first + 1), (z.start, first), (first + 1, z.stop)]
        return [(slice(a, b), y, x) for a, b in cuts if a < b]

    def n_voxels(self, image: Image) -> int:
        """Voxels that are predicted."""
        return len(self.items(image)) * math.prod(box_shape(self.box(image)))

    def is_whole(self, image: Image) -> bool:
        """Whether nothing is left out."""
        items = image.items()
        is_full = self.box(image) == full_box(items[0].shape)
        return is_full and self.mask is None and len(self.items(image)) == len(items)

    def zero(self, image: Image) -> ZeroPolicy:
        """What 0 means in a result of this part."""
        if self.is_whole(image):
            return "dense"
        is_cut = self.mask is not None or self.window is not None
        return "unlabelled" if is_cut else "painted-slices"


@dataclass(frozen=True)
class Frame:
    """Size and place of a result.

    Parameters
    ----------
    axes : str
        Letters of the result; ``C`` has one entry.
    shape : tuple of int
        Of the result.
    origin : dict of str to int
        First voxel of the image, where that is not 0.
    """

    axes: str
    shape: tuple[int, ...]
    origin: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_voxels(self) -> int:
        """Voxels of the result."""
        return math.prod(self.shape)


def frame_of(image: Image, axes: str, scope: Scope, bytes_per_voxel: int) -> Frame:
    """Size and place of the result of a scope.

    As large as the image, so that parts predicted one after another meet in one layer,
    unless that takes more than `MAX_WHOLE_BYTES`; then as large as the part.

    Parameters
    ----------
    image : Image
        What is predicted.
    axes : str
        Letters of the result.
    scope : Scope
        The part.
    bytes_per_voxel : int
        Of labels and probability maps together.
    """
    sizes = dict(zip(image.axes, map(int, image.array.shape), strict=True))
    whole = sizes | {CHANNEL_AXIS: 1}
    frame = Frame(axes, tuple(whole[letter] for letter in axes))
    is_small = frame.n_voxels * bytes_per_voxel <= MAX_WHOLE_BYTES
    if is_small or scope.is_whole(image):
        return frame
    box = dict(zip(SPATIAL_AXES, scope.box(image), strict=True))
    part = whole | {letter: side.stop - side.start for letter, side in box.items()}
    part |= dict.fromkeys(scope.frames, 1)
    origin = {letter: side.start for letter, side in box.items()} | scope.frames
    return Frame(
        axes,
        tuple(part[letter] for letter in axes),
        {letter: n for letter, n in origin.items() if n and letter in axes},
    )
