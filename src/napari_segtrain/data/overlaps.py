"""Samples that are parts of one image, and where they have voxels in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segtrain.axes import SPATIAL_AXES, ZYX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.data.dataset import Pair, Place

Ends = tuple[ZYX, ZYX]
"""First voxel of a box, and the one after the last."""


def groups_of(pairs: Sequence[Pair]) -> list[int]:
    """Number of the group of each item: samples whose labels overlap share one.

    Parameters
    ----------
    pairs : sequence of Pair

    Returns
    -------
    list of int
        Groups are numbered from 0, in the order of their first samples.
    """
    places = {pair.sample: pair.place for pair in pairs}
    group = {sample: sample for sample in places}
    for first, one in places.items():
        for second, other in places.items():
            if first < second and _overlap(one, other):
                old, new = group[second], group[first]
                group = {s: new if g == old else g for s, g in group.items()}
    numbers = {g: n for n, g in enumerate(dict.fromkeys(group.values()))}
    return [numbers[group[pair.sample]] for pair in pairs]


def shared_item(one: Pair, other: Pair) -> tuple[Place, Place] | None:
    """Places of two samples, when both items are the same item of one image."""
    if one.sample == other.sample or one.place is None or other.place is None:
        return None
    is_one_image = one.place.image == other.place.image
    return (
        (one.place, other.place)
        if is_one_image and _item(one) == _item(other)
        else None
    )


def part_beside(kept: Ends, held: Ends, places: tuple[Place, Place]) -> Ends | None:
    """Largest part of a box beside another, with a voxel between them.

    Parameters
    ----------
    kept, held : Ends
        Each in the voxels of its sample.
    places : (Place, Place)
        Of both samples.

    Returns
    -------
    Ends or None
        ``kept`` itself when their labels have no voxel in common; ``None`` when nothing
        is left.
    """
    own = _labelled(kept, places[0])
    other = _labelled(held, places[1])
    if not all(a < d and c < b for a, b, c, d in zip(*own, *other, strict=True)):
        return kept
    shift = _origin(places[0])
    parts = []
    for axis in range(len(SPATIAL_AXES)):
        before, after = (
            other[0][axis] - 1 - shift[axis],
            other[1][axis] + 1 - shift[axis],
        )
        parts.append((kept[0], _with(kept[1], axis, min(before, kept[1][axis]))))
        parts.append((_with(kept[0], axis, max(after, kept[0][axis])), kept[1]))
    best = max(parts, key=lambda part: _n_voxels(_labelled(part, places[0])))
    return best if _n_voxels(_labelled(best, places[0])) else None


def _overlap(one: Place | None, other: Place | None) -> bool:
    if one is None or other is None or one.image != other.image:
        return False
    spans = ((one.labelled[axis], other.labelled[axis]) for axis in one.labelled)
    return all(a < d and c < b for (a, b), (c, d) in spans)


def _item(pair: Pair) -> dict[str, int]:
    """Position of an item in the image that its sample is a part of."""
    origin = {} if pair.place is None else pair.place.origin
    return {axis: n + origin.get(axis, 0) for axis, n in pair.image.index.items()}


def _origin(place: Place) -> ZYX:
    z, y, x = (place.origin.get(axis, 0) for axis in SPATIAL_AXES)
    return z, y, x


def _labelled(box: Ends, place: Place) -> Ends:
    """Part of a box in which labels may count, in the voxels of the image."""
    spans = [
        (max(first + shift, low), min(stop + shift, high))
        for first, stop, shift, (low, high) in zip(
            *box,
            _origin(place),
            (place.labelled.get(axis, (0, 1)) for axis in SPATIAL_AXES),
            strict=True,
        )
    ]
    (z, n_z), (y, n_y), (x, n_x) = spans
    return (z, y, x), (n_z, n_y, n_x)


def _with(corner: ZYX, axis: int, value: int) -> ZYX:
    z, y, x = (value if n == axis else old for n, old in enumerate(corner))
    return z, y, x


def _n_voxels(box: Ends) -> int:
    sizes = [max(0, b - a) for a, b in zip(*box, strict=True)]
    return sizes[0] * sizes[1] * sizes[2]
