"""Compressed TIFF pages as an array that decodes the strips or tiles it needs.

tifffile parses the file once; afterwards only offsets are kept, and each read opens
the file, decodes the segments that meet the box, and closes it. So any number of
images and threads can be read without open handles or a shared file position.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.errors import DataError
from napari_segtrain.io.cache import CACHE
from napari_segtrain.io.guard import reading
from napari_segtrain.io.lazy import Block, BlockArray, Slices, mapped_array

if TYPE_CHECKING:
    from collections.abc import Iterator

_N_PAGE_DIMS = 5


@dataclass(frozen=True, eq=False)
class Page:
    """Where the segments (strips or tiles) of a page lie."""

    path: Path
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    jpeg_tables: bytes | None = None

    @property
    def is_contiguous(self) -> bool:
        """Each segment follows the one before."""
        ends = map(int.__add__, self.offsets, self.counts)
        return all(map(int.__eq__, ends, self.offsets[1:]))


@dataclass(frozen=True, eq=False)
class Layout:
    """What all pages of a series share.

    Parameters
    ----------
    keyframe : tifffile.TiffPage
        The page that knows the codec.
    shape : tuple of int
        (separate samples, depth, length, width, contiguous samples).
    dtype
        Native byte order.
    """

    keyframe: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """First voxel of each segment, (n_segments, 5)."""
        return self._positions[:, 0]

    @cached_property
    def stops(self) -> npt.NDArray[np.int64]:
        """Voxel after the last of each segment, (n_segments, 5)."""
        stops: npt.NDArray[np.int64] = self._positions[:, 1]
        return np.minimum(stops, np.array(self.shape, np.int64))

    @cached_property
    def _positions(self) -> npt.NDArray[np.int64]:
        ends = []
        for index in range(len(self.keyframe.dataoffsets)):
            _, start, shape = self.keyframe.decode(None, index)
            ends.append((start, np.add(start, (1, *shape))))
        return np.array(ends, np.int64)

    def segments_in(self, box: Slices) -> npt.NDArray[np.int64]:
        """Indices of the segments that meet a box of the page."""
        low = np.array([part.start for part in box])
        high = np.array([part.stop for part in box])
        meets = (self.starts < high) & (self.stops > low)
        return np.flatnonzero(meets.all(axis=1))

    def decode(self, data: bytes, page: Page, segment: int) -> Block:
        """Decode a segment to (depth, length, width, samples)."""
        options: dict[str, bytes] = {}
        if page.jpeg_tables is not None:
            options["jpegtables"] = page.jpeg_tables
        if self.keyframe.jpegheader is not None:
            options["jpegheader"] = self.keyframe.jpegheader
        block: Block = self.keyframe.decode(data, segment, **options)[0]
        return block


def pages_array(
    layout: Layout, pages: list[Page], shape: tuple[int, ...]
) -> BlockArray:
    """Pages of one layout as one array.

    Parameters
    ----------
    layout : Layout
    pages : list of Page
        In C order of the leading axes.
    shape : tuple of int
        Leading axes, then the dimensions of a page; both may hold sizes of 1.

    Raises
    ------
    DataError
        When a file ends before its last segment.
    ValueError
        When the pages do not fill the shape.
    """
    for page in pages:
        _check_length(page)
    large = tuple(axis for axis, size in enumerate(shape) if size > 1)
    page_dims = [axis for axis, size in enumerate(layout.shape) if size > 1]
    n_leading = len(large) - len(page_dims)
    sizes = [shape[axis] for axis in large]
    if n_leading < 0 or sizes[n_leading:] != [layout.shape[i] for i in page_dims]:
        raise ValueError(f"pages of {layout.shape} do not fill an array of {shape}")
    grid = np.arange(len(pages)).reshape(sizes[:n_leading])

    def read_box(box: Slices) -> Block:
        parts = [box[axis] for axis in large]
        wanted = grid[tuple(parts[:n_leading])].ravel()
        page_box = [slice(0, 1)] * _N_PAGE_DIMS
        for axis, part in zip(page_dims, parts[n_leading:], strict=True):
            page_box[axis] = part
        planes = [_read_page(layout, pages[i], tuple(page_box)) for i in wanted]
        block = planes[0] if len(planes) == 1 else np.stack(planes)
        return block.reshape([part.stop - part.start for part in box])

    return BlockArray(shape, layout.dtype, read_box)


def _read_page(layout: Layout, page: Page, box: Slices) -> Block:
    if layout.keyframe.is_final and page.is_contiguous:
        order = layout.keyframe.parent.byteorder
        dtype = layout.dtype.newbyteorder(order)
        mapped = mapped_array(page.path, dtype, layout.shape, page.offsets[0])
        return mapped.read_box(box)
    fill = layout.keyframe.nodata
    plane = np.full([p.stop - p.start for p in box], fill, layout.dtype)
    with reading(page.path):
        for segment, block in _decoded(layout, page, box):
            _paste(plane, box, layout, segment, block)
    return plane


def _decoded(layout: Layout, page: Page, box: Slices) -> Iterator[tuple[int, Block]]:
    with page.path.open("rb") as file:
        for segment in map(int, layout.segments_in(box)):
            if not page.offsets[segment] or not page.counts[segment]:
                continue

            def decode(segment: int = segment) -> Block:
                file.seek(page.offsets[segment])
                data = file.read(page.counts[segment])
                return layout.decode(data, page, segment)

            yield segment, CACHE.get((page, segment), decode)


def _paste(
    plane: Block, box: Slices, layout: Layout, segment: int, block: Block
) -> None:
    source, target = [], []
    ends = zip(box, layout.starts[segment], layout.stops[segment], strict=True)
    for part, start, stop in ends:
        low, high = max(part.start, start), min(part.stop, stop)
        source.append(slice(low - start, high - start))
        target.append(slice(low - part.start, high - part.start))
    plane[tuple(target)] = block[tuple(source[1:])]


def _check_length(page: Page) -> None:
    ends = map(int.__add__, page.offsets, page.counts)
    needed, found = max(ends, default=0), page.path.stat().st_size
    if needed > found:
        raise DataError(
            f"{page.path} is cut off: its voxels end at byte {needed}, but the file "
            f"has {found}; copy or save it again."
        )
