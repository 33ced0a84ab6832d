"""The first thing to show of a long prediction: a small part of what is looked at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_segtrain.boxes import Box, box_shape, grown_box, shared_box
from napari_segtrain.inference.tile_settings import choose_tiles

if TYPE_CHECKING:
    from napari_segtrain.axes import ZYX
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.networks import NetworkInfo

MAX_VOXELS = {2: 1 << 20, 3: 3 << 18}
"""Read for a preview, by dimensions of the network: a second or two on two cores."""

_SIDES = (768, 512, 384, 256, 192, 128, 96, 64, 48, 32)


def preview_box(
    shape: ZYX, box: Box, view: Box, info: NetworkInfo, config: InferenceConfig
) -> Box | None:
    """Choose a part of one slice that is predicted quickly, halo included.

    Parameters
    ----------
    shape : ZYX
        Of the item, voxels.
    box : Box
        What is predicted of it.
    view : Box
        What is looked at.
    info : NetworkInfo
        Of the network.
    config : InferenceConfig
        Tiles.

    Returns
    -------
    Box or None
        In the middle of the view; ``None`` where all is as quick, or nothing of it is
        seen.
    """
    seen = shared_box(box, view)
    limit = MAX_VOXELS[info.dims]
    if not math.prod(box_shape(seen)) or math.prod(box_shape(box)) <= limit:
        return None
    for side in _SIDES:
        part = _middle(seen, (1, side, side))
        settings = choose_tiles(shape, part, info, config, max_voxels=limit)
        read = box_shape(grown_box(part, settings.halo, shape))
        if math.prod(map(max, read, info.min_result)) <= limit:
            return part
    return None


def _middle(box: Box, size: ZYX) -> Box:
    """Part of a box around its middle, of a size at most."""
    starts = [
        part.start + max(0, part.stop - part.start - length) // 2
        for part, length in zip(box, size, strict=True)
    ]
    sides = zip(starts, size, box, strict=True)
    z, y, x = (slice(a, min(a + length, part.stop)) for a, length, part in sides)
    return z, y, x
