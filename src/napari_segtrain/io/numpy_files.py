"""NumPy ``.npy`` files, mapped and never unpickled."""

from __future__ import annotations

from tokenize import TokenError
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.errors import DataError
from napari_segtrain.io.guard import reading
from napari_segtrain.io.lazy import Block, BlockArray, Slices, mapped_array
from napari_segtrain.io.source import Source

if TYPE_CHECKING:
    from pathlib import Path


def open_npy(path: Path) -> Source:
    """Read the header of a ``.npy`` file, which has no axes and no voxel size.

    Raises
    ------
    DataError
        When the file is damaged or holds Python objects.
    """
    with reading(path, TokenError), path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, is_fortran, dtype = read_header(file)
        offset = file.tell()
    if dtype.hasobject:
        raise DataError(f"{path} holds Python objects; save an array of numbers.")
    if not is_fortran:
        return Source(mapped_array(path, dtype, shape, offset))
    array = mapped_array(path, dtype, shape[::-1], offset)

    def read_box(box: Slices) -> Block:
        return array.read_box(box[::-1]).T

    return Source(BlockArray(shape, array.dtype, read_box))
