"""Objects of a volume that were made block by block become those of the whole.

A grid of blocks covers the volume. Objects are made of each block grown by a margin, so
that neighbors see the same voxels (`local_objects`), found again in the neighbors
(`same_objects`), and given the ids of the whole (`join`).

Where objects are connected pieces of a foreground, the result is that of the whole
volume, whatever their size, for any margin of a voxel or more. Where seeds part them,
it is so, but for voxels as near to one seed as to another, when each block sees its
objects as the whole volume shows them: the margin holds an object, what touches it, and
the reach of the smoothing. In crowded tissue the radius of an object nearly does; with
half of it, some objects are split or merged at borders of blocks. A hole is closed in
the blocks whose piece holds all of it, and one object of the piece around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph
from skimage import measure

from napari_segtrain.boxes import Box, full_box, iter_blocks, shared_box

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_segtrain.axes import ZYX

_COUNTED_VOXELS = 1 << 20
_OTHER_SIDES = {
    -1: (slice(1, None), slice(None, -1)),
    0: (slice(None), slice(None)),
    1: (slice(None, -1), slice(1, None)),
}
"""Of an axis of the grid: blocks that have a neighbor a step away, and those."""

Ids = npt.NDArray[np.uint32]
Sizes = npt.NDArray[np.int64]
Pairs = npt.NDArray[np.int64]
Pieces = npt.NDArray[np.intp]


@dataclass(frozen=True)
class LocalObjects:
    """Objects of a block and of what was seen around it.

    Parameters
    ----------
    ids : ndarray of uint32, shape (Z, Y, X)
        Of the grown block: 1, 2, ... for objects of the block, higher ones for those
        that only its margin holds, which are its neighbors' to keep.
    sizes : ndarray of int64, shape (n_objects,)
        Voxels that each object of the block has inside it.
    """

    ids: Ids
    sizes: Sizes


@dataclass(frozen=True)
class JoinedObjects:
    """Which object of the volume each object of a block is.

    Parameters
    ----------
    tables : tuple of ndarray of uint32 or uint64
        Per block the new id of each local id, 0 included; 0 for what is left out.
    sizes : ndarray of int64, shape (n_objects,)
        Voxels of each object of the volume, in the order of the new ids.
    """

    tables: tuple[npt.NDArray[Any], ...]
    sizes: Sizes


def neighbors(grid: ZYX) -> Pairs:
    """Blocks of a grid that share a face, an edge or a corner.

    Parameters
    ----------
    grid : ZYX
        Blocks along each axis; they are numbered row by row (C order).

    Returns
    -------
    ndarray of int64, shape (n, 2)
        Numbers of both blocks, the lower one first; sorted, each pair once.
    """
    numbers = np.arange(np.prod(grid), dtype=np.int64).reshape(grid)
    pairs = []
    for step in product(_OTHER_SIDES, repeat=3):
        if step > (0, 0, 0):
            here, there = zip(*(_OTHER_SIDES[way] for way in step), strict=True)
            pairs.append(np.stack([numbers[here].ravel(), numbers[there].ravel()]))
    found = np.concatenate(pairs, axis=1)
    return found.T[np.lexsort(found[::-1])]


def local_objects(ids: Ids, core: Box) -> LocalObjects:
    """Number the objects of a block first, and count their voxels inside it.

    Parameters
    ----------
    ids : ndarray of uint32, shape (Z, Y, X)
        Ids 1, 2, ... without gaps, as `make_objects` makes them of the grown block.
        No object may have been left out for its size.
    core : Box
        The block, counted from the start of ``ids``.
    """
    sizes = np.zeros(int(ids.max(initial=0)) + 1, np.int64)
    inside = ids[core]
    for box in iter_blocks(inside.shape, _COUNTED_VOXELS):
        sizes += np.bincount(inside[box].ravel(), minlength=len(sizes))
    sizes = sizes[1:]
    new_ids = np.zeros(len(sizes) + 1, np.uint32)
    own_first = np.argsort(sizes == 0, kind="stable")
    new_ids[1 + own_first] = np.arange(1, len(sizes) + 1)
    return LocalObjects(new_ids[ids], sizes[sizes > 0])


def same_objects(
    first_ids: Ids, second_ids: Ids, cores: tuple[Box, Box], *, is_parted: bool
) -> Pairs:
    """Find the objects that two neighbors both see in the region that they share.

    Without seeds, a voxel in common says it: both versions hold the connected piece of
    the foreground that it belongs to.

    With seeds, versions are first cut into connected pieces, as one may know of a link
    outside of the region that the other does not see: a bend of a tube whose two ends
    cross the border of a block. Pieces are the same when

    - each is the one that the other shares most voxels with. Where objects touch, two
      versions part them a little differently, and the sliver between joins nothing,
      since either object shares more with its own version. Nor does an object that one
      version has in two parts: the larger is joined, and what stands beside it stays;
    - they share more than half of the smaller one. Intersection over union would ask
      for more than is known where one version closed a hole that the other sees cut;
    - some of what they share lies in one of the blocks. What meets in a third block
      only, as at an edge, is for the matches with that block to say.

    Parameters
    ----------
    first_ids, second_ids : ndarray of uint32, same shape (Z, Y, X)
        `LocalObjects.ids` of both blocks in the region that both were made of, from
        the same evidence.
    cores : tuple of Box
        The first and the second block, counted from the start of the region; they may
        lie partly or wholly outside of it.
    is_parted : bool
        Whether seeds part the objects; otherwise they are connected pieces.

    Returns
    -------
    ndarray of int64, shape (n, 2)
        Local ids of both blocks; sorted, each pair once.
    """
    if not (first_ids.any() and second_ids.any()):
        return np.zeros((0, 2), np.int64)
    if not is_parted:
        return _all_pairs(_shared_voxels(first_ids, second_ids))
    first, second = _pieces(first_ids), _pieces(second_ids)
    pairs = _best_pairs(_shared_voxels(first, second))
    pairs = pairs[_meet(pairs, first, second, cores)]
    ids = [_owners(first, first_ids)[pairs[:, 0]]]
    ids.append(_owners(second, second_ids)[pairs[:, 1]])
    return np.unique(np.stack(ids, axis=1), axis=0)


def join(
    sizes: Sequence[Sizes],
    matches: Iterable[tuple[int, int, Pairs]],
    *,
    min_voxels: int = 0,
    first_id: int = 1,
) -> JoinedObjects:
    """Give the objects of all blocks the ids of the whole volume.

    Ids have no gaps. They follow the blocks, and in a block its local ids, whatever the
    order of the matches: an object's first member says where it stands.

    Parameters
    ----------
    sizes : sequence of ndarray of int64
        `LocalObjects.sizes` of each block.
    matches : iterable of (int, int, ndarray of int64 of shape (n, 2))
        Numbers of two blocks, and their objects that are the same. Objects that only
        the margin of a block holds join nothing.
    min_voxels : int
        Objects that have fewer voxels in all blocks together are left out.
    first_id : int
        Id of the first object.

    Returns
    -------
    JoinedObjects
        Tables of uint32, or of uint64 where that does not hold the highest id.
    """
    starts = np.cumsum([0, *(1 + len(part) for part in sizes)], dtype=np.int64)
    voxels = np.zeros(starts[-1], np.int64)
    for start, part in zip(starts, sizes, strict=False):
        voxels[start + 1 : start + 1 + len(part)] = part
    first = _first_members(_edges(matches, starts), len(voxels))
    totals = np.zeros_like(voxels)
    np.add.at(totals, first, voxels)
    is_kept = totals >= max(1, min_voxels)
    ids = np.cumsum(is_kept, dtype=np.uint64) + np.uint64(first_id) - 1
    ids = np.where(is_kept, ids, 0).astype(_id_dtype(first_id + int(is_kept.sum())))
    tables = np.split(ids[first], starts[1:-1]) if sizes else []
    return JoinedObjects(tuple(tables), totals[is_kept])


def _pieces(ids: Ids) -> Pieces:
    """Number the connected pieces of each object; 0 elsewhere."""
    pieces: Pieces = measure.label(ids, background=0, connectivity=1)
    return pieces


def _owners(pieces: Pieces, ids: Ids) -> Pairs:
    """Object of each piece."""
    owners = np.zeros(int(pieces.max()) + 1, np.int64)
    owners[pieces] = ids
    return owners


def _shared_voxels(
    first: npt.NDArray[Any], second: npt.NDArray[Any]
) -> sparse.csr_array:
    """Voxels of each pair of ids; row and column 0 are the background."""
    shape = (int(first.max()) + 1, int(second.max()) + 1)
    ones = np.ones(first.size, np.int64)
    return sparse.coo_array((ones, (first.ravel(), second.ravel())), shape).tocsr()


def _all_pairs(shared: sparse.csr_array) -> Pairs:
    """Pairs that share a voxel."""
    pairs = shared[1:, 1:].tocoo()
    return np.stack([pairs.row, pairs.col], axis=1).astype(np.int64) + 1


def _best_pairs(shared: sparse.csr_array) -> Pairs:
    """Pairs that are each other's best, and share most of the smaller one.

    Of pairs that share as many voxels those with the smaller union are better, then
    those with the lower numbers.
    """
    pairs = shared[1:, 1:].tocoo()
    rows, columns, n_shared = pairs.row + 1, pairs.col + 1, pairs.data
    row_sizes, column_sizes = shared.sum(axis=1)[rows], shared.sum(axis=0)[columns]
    order = np.lexsort((columns, rows, row_sizes + column_sizes, -n_shared))
    _, best_of_row = np.unique(rows[order], return_index=True)
    _, best_of_column = np.unique(columns[order], return_index=True)
    mutual = order[np.intersect1d(best_of_row, best_of_column)]
    is_most = 2 * n_shared > np.minimum(row_sizes, column_sizes)
    chosen = mutual[is_most[mutual]]
    return np.stack([rows[chosen], columns[chosen]], axis=1).astype(np.int64)


def _meet(
    pairs: Pairs, first: Pieces, second: Pieces, cores: tuple[Box, Box]
) -> npt.NDArray[np.bool_]:
    """Whether pairs, of which no two have a piece in common, meet in a core."""
    partner = np.zeros(int(first.max()) + 1, np.int64)
    partner[pairs[:, 0]] = pairs[:, 1]
    is_met = np.zeros(len(partner), bool)
    for core in cores:
        inside = shared_box(core, full_box(first.shape))
        here = first[inside]
        is_met[here[partner[here] == second[inside]]] = True
    met: npt.NDArray[np.bool_] = is_met[pairs[:, 0]]
    return met


def _edges(matches: Iterable[tuple[int, int, Pairs]], starts: Sizes) -> Pairs:
    """Pairs of places in the tables of all blocks, one after another."""
    n_ids = np.diff(starts)
    edges = [np.zeros((0, 2), np.int64)]
    for first, second, pairs in matches:
        blocks = [first, second]
        is_own = (pairs < n_ids[blocks]).all(axis=1)
        edges.append(pairs[is_own] + starts[blocks])
    return np.concatenate(edges)


def _first_members(edges: Pairs, n_places: int) -> npt.NDArray[np.int64]:
    """First of all places that edges join with each one."""
    first = np.arange(n_places, dtype=np.int64)
    if len(edges):
        places, ends = np.unique(edges, return_inverse=True)
        tails, heads = ends.reshape(edges.shape).T
        shape = (len(places), len(places))
        graph = sparse.coo_array((np.ones(len(edges), bool), (tails, heads)), shape)
        _, groups = csgraph.connected_components(graph, directed=False)
        _, leaders = np.unique(groups, return_index=True)
        first[places] = places[leaders[groups]]
    return first


def _id_dtype(end: int) -> np.dtype[Any]:
    return np.promote_types(np.uint32, np.min_scalar_type(max(0, end - 1)))
