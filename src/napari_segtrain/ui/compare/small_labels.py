"""Labels of one byte in the same colors, which napari draws several times as fast."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap

from napari_segtrain.ui.compare.swiped_array import plain_dtype

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels

    Block = npt.NDArray[Any]
    Shrink = Callable[[Block], Block]

_FULL = 255
_MAX_TABLE = 1 << 22
"""Values up to which they are looked up in a table."""


def small_labels(layer: Labels) -> tuple[Shrink | None, Any]:
    """How values of a layer become bytes, and the colormap that these have.

    Returns
    -------
    shrink : callable, optional
        From a block to one of uint8, whose values have the colors of the former ones;
        ``None`` where values are bytes already, or have too many colors.
    colormap : LabelColormap
        One of its own: napari keeps in it which label is selected.
    """
    colormap = _copied(layer.colormap)
    if plain_dtype(layer.data).itemsize == 1:
        return None, colormap
    if isinstance(colormap, CyclicLabelColormap):
        n_colors = len(colormap.colors) - 1
        if colormap.background_value == 0 and 0 < n_colors <= _FULL:
            return partial(_cycled, n_colors=n_colors), colormap
    elif isinstance(colormap, DirectLabelColormap):
        return _direct(colormap)
    return None, colormap


def _copied(colormap: Any) -> Any:
    """The same colors, with nothing selected."""
    if isinstance(colormap, CyclicLabelColormap):
        return CyclicLabelColormap(
            colors=colormap.colors,
            seed=colormap.seed,
            background_value=colormap.background_value,
        )
    return DirectLabelColormap(color_dict=dict(colormap.color_dict))


def _cycled(block: Block, n_colors: int) -> Block:
    """Values that napari's cycle of colors gives the same color; 0 stays."""
    if not block.size:
        return block.astype(np.uint8)
    low, high = int(block.min()), int(block.max())
    if low >= 0 and high < _MAX_TABLE:
        return _cycle(np.arange(high + 1), n_colors)[block]
    return _cycle(block, n_colors)


def _cycle(values: Block, n_colors: int) -> Block:
    cycled = (values.astype(np.int64) - 1) % n_colors + 1
    return np.where(values == 0, 0, cycled).astype(np.uint8)


def _direct(colormap: DirectLabelColormap) -> tuple[Shrink | None, Any]:
    """Number the values that have a color of their own; all others are 255."""
    colors = dict(colormap.color_dict)
    other = colors.pop(None, np.zeros(4))
    keys = np.array(sorted(key for key in colors if key), np.int64)
    if len(keys) >= _FULL:
        return None, colormap
    table: dict[int | None, Any] = {None: np.zeros(4), _FULL: other}
    table[0] = colors.get(0, np.zeros(4))
    table |= {n: colors[int(key)] for n, key in enumerate(keys, start=1)}
    return partial(_numbered, keys=keys), DirectLabelColormap(color_dict=table)


def _numbered(block: Block, keys: npt.NDArray[np.int64]) -> Block:
    top = int(keys[-1]) if len(keys) else 0
    if top >= _MAX_TABLE or (len(keys) and keys[0] < 0):
        return _number(block, keys)
    table = _number(np.arange(top + 2), keys)
    is_outside = (block < 0) | (block > top)
    return table[np.where(is_outside, top + 1, block)]


def _number(values: Block, keys: npt.NDArray[np.int64]) -> Block:
    at = np.searchsorted(keys, values)
    known = np.append(keys, 0)[at] == values
    numbers = np.where(known & (at < len(keys)), at + 1, _FULL)
    return np.where(values == 0, 0, numbers).astype(np.uint8)
