"""Objects from class maps: connected components with an id each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import measure

from napari_segtrain.image import IGNORE_INDEX


def label_objects(
    mask_or_indices: npt.NDArray[Any], *, min_voxels: int = 0, connectivity: int = 1
) -> npt.NDArray[Any]:
    """Give every connected component an object id.

    Parameters
    ----------
    mask_or_indices : ndarray, shape ([Z], Y, X)
        A boolean foreground mask, or class indices (0 is background and
        `IGNORE_INDEX` unlabelled; voxels of different classes never form one object).
    min_voxels : int
        Smaller components are left out.
    connectivity : int
        Voxels are neighbors when they differ by at most one along at most this many
        axes: 1 for shared faces, the number of dimensions for shared corners.

    Returns
    -------
    ndarray, same shape
        Ids 1, 2, ... without gaps and 0 elsewhere; the smallest unsigned integer
        dtype that fits, at least uint16.

    Raises
    ------
    ValueError
        When ``connectivity`` is not between 1 and the number of dimensions.
    """
    n_dims = mask_or_indices.ndim
    if not 1 <= connectivity <= n_dims:
        raise ValueError(f"connectivity must be 1 to {n_dims}, got {connectivity}")
    if mask_or_indices.dtype == np.bool_:
        structure = ndimage.generate_binary_structure(n_dims, connectivity)
        labels, n_objects = ndimage.label(mask_or_indices, structure)
    else:
        indices = np.where(mask_or_indices == IGNORE_INDEX, 0, mask_or_indices)
        labels, n_objects = measure.label(
            indices, background=0, return_num=True, connectivity=connectivity
        )
    if min_voxels > 1:
        return _keep_large(labels, min_voxels)
    objects: npt.NDArray[Any] = labels.astype(_id_dtype(n_objects))
    return objects


def remove_small(labels: npt.NDArray[Any], min_voxels: int) -> npt.NDArray[Any]:
    """Set objects of fewer than ``min_voxels`` voxels to 0; the others keep their id.

    Parameters
    ----------
    labels : ndarray
        Object ids of any integer dtype and shape; 0 is background.
    min_voxels : int
        Voxels of the smallest object that stays.

    Returns
    -------
    ndarray, same shape and dtype
    """
    ids, inverse, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    ids[sizes < min_voxels] = 0
    return ids[inverse].reshape(labels.shape)


def _keep_large(labels: npt.NDArray[Any], min_voxels: int) -> npt.NDArray[Any]:
    """Drop small components and close the gaps in the ids."""
    sizes = np.bincount(labels.ravel())
    is_kept = sizes >= min_voxels
    is_kept[0] = False
    new_ids = np.cumsum(is_kept) * is_kept
    kept: npt.NDArray[Any] = new_ids.astype(_id_dtype(int(is_kept.sum())))[labels]
    return kept


def _id_dtype(n_objects: int) -> np.dtype[Any]:
    return np.promote_types(np.uint16, np.min_scalar_type(n_objects))
