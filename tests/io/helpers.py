"""Images to write and to find again."""

from __future__ import annotations

import numpy as np
import zarr


def voxels(*shape, dtype=np.uint8, seed=0):
    """Random voxels over the whole range of a type."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.random(shape, dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype)


def write_ome_zarr(path, array, axes, scale=None, *, unit="micrometer", version="0.5"):
    """Write a two-level OME-Zarr image by hand."""
    is_new = version == "0.5"
    group = zarr.create_group(str(path), zarr_format=3 if is_new else 2)
    for level, data in enumerate([array, array[..., ::2, ::2]]):
        create(group, str(level), data)
    multiscales = {
        "version": version,
        "axes": [_axis(letter, unit) for letter in axes],
        "datasets": [_dataset(level, scale) for level in range(2)],
    }
    facts = {"multiscales": [multiscales]}
    group.attrs.update({"ome": facts} if is_new else facts)
    return group


def _axis(letter, unit):
    axis = {"name": letter.lower()}
    if letter in "ZYX":
        axis["type"] = "space"
        if unit:
            axis["unit"] = unit
    return axis


def _dataset(level, scale):
    if scale is None:
        return {"path": str(level)}
    sizes = [float(size) * 2**level for size in scale]
    transforms = [{"type": "scale", "scale": sizes}]
    return {"path": str(level), "coordinateTransformations": transforms}


def create(group, name, data, chunks=None):
    """Write an array into a group, one chunk per plane."""
    chunks = chunks or (1,) * (data.ndim - 2) + data.shape[-2:]
    array = group.create_array(name, shape=data.shape, chunks=chunks, dtype=data.dtype)
    array[...] = data
    return array
