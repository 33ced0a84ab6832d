"""Boxes of voxels: where a part of an item lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_segtrain.axes import ZYX

Box = tuple[slice, slice, slice]
"""A region of an item: three slices with explicit start and stop, along Z, Y, X."""


def box_shape(box: Box) -> ZYX:
    """Size of a box in voxels, ZYX."""
    z, y, x = (part.stop - part.start for part in box)
    return z, y, x


def full_box(shape: ZYX) -> Box:
    """Box that covers an item of ``shape`` (ZYX voxels)."""
    z, y, x = (slice(0, size) for size in shape)
    return z, y, x


def grown_box(box: Box, width: ZYX, shape: ZYX) -> Box:
    """Box with ``width`` voxels more on each side, inside an item of ``shape``."""
    sides = zip(box, width, shape, strict=True)
    z, y, x = (
        slice(max(0, part.start - more), min(size, part.stop + more))
        for part, more, size in sides
    )
    return z, y, x


def shared_box(first: Box, second: Box) -> Box:
    """Box that two boxes have in common; empty where they have nothing."""
    starts = [max(a.start, b.start) for a, b in zip(first, second, strict=True)]
    stops = [min(a.stop, b.stop) for a, b in zip(first, second, strict=True)]
    z, y, x = (slice(a, max(a, b)) for a, b in zip(starts, stops, strict=True))
    return z, y, x


def nearest_first(boxes: Iterable[tuple[slice, ...]], view: Box) -> list[int]:
    """Order of boxes: those that share voxels with a view, then by their distance.

    Parameters
    ----------
    boxes : iterable of Box
        What is ordered.
    view : Box
        What is looked at.

    Returns
    -------
    list of int
        Places of the boxes in the order in which they come.
    """
    middle = [(part.start + part.stop) / 2 for part in view]

    def distance(box: tuple[slice, ...]) -> tuple[bool, float]:
        pairs = zip(box, view, strict=True)
        is_seen = all(b.start < v.stop and v.start < b.stop for b, v in pairs)
        ends = zip(box, middle, strict=True)
        return not is_seen, sum(((b.start + b.stop) / 2 - m) ** 2 for b, m in ends)

    keys = [distance(box) for box in boxes]
    return sorted(range(len(keys)), key=keys.__getitem__)


def relative(part: Box, whole: Box) -> Box:
    """Box ``part`` counted from the start of ``whole``."""
    pairs = zip(part, whole, strict=True)
    z, y, x = (slice(p.start - w.start, p.stop - w.start) for p, w in pairs)
    return z, y, x


def absolute(part: Box, whole: Box) -> Box:
    """Undo `relative`: box ``part`` of ``whole`` counted as ``whole`` is."""
    pairs = zip(part, whole, strict=True)
    z, y, x = (slice(p.start + w.start, p.stop + w.start) for p, w in pairs)
    return z, y, x


def iter_blocks(shape: ZYX, max_voxels: int = 1 << 24) -> Iterator[Box]:
    """Cover an item with boxes of whole slices (or parts of one), in order.

    Parameters
    ----------
    shape : ZYX
        Size of the item in voxels.
    max_voxels : int
        Upper bound of a box.
    """
    n_z, n_y, n_x = shape
    rows = max(1, min(n_y, max_voxels // max(1, n_x)))
    slices = max(1, max_voxels // max(1, n_y * n_x)) if rows == n_y else 1
    for z in range(0, n_z, slices):
        for y in range(0, n_y, rows):
            yield (
                slice(z, min(z + slices, n_z)),
                slice(y, min(y + rows, n_y)),
                slice(0, n_x),
            )
