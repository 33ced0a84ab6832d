"""Images to write and to find again."""

from __future__ import annotations

import json

import h5py
import mrcfile
import numpy as np
import tensorstore
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


def write_hdf5(path, **arrays):
    """Write arrays as data sets; ``__`` in a name is ``/``."""
    with h5py.File(path, "a") as hdf5:
        for name, data in arrays.items():
            hdf5[name.replace("__", "/")] = data


def write_mrc(path, data, **header):
    """Write an MRC file, and then fields of its header."""
    with mrcfile.new(path) as mrc:
        mrc.set_data(data)
        for name, value in header.items():
            setattr(mrc.header, name, value)


def write_n5(folder, data, compression=None, **attributes):
    """Write an array whose last axis is X as N5, which counts from X."""
    metadata = {
        "dimensions": data.shape[::-1],
        "blockSize": [min(8, size) for size in data.shape[::-1]],
        "dataType": data.dtype.name,
        "compression": compression or {"type": "gzip"},
    }
    where = {"driver": "file", "path": folder.as_posix()}
    spec = {"driver": "n5", "kvstore": where, "metadata": metadata}
    store = tensorstore.open(spec, create=True).result()
    store[...] = data.T
    add_attributes(folder, **attributes)


def add_attributes(folder, **attributes):
    """Add to the attributes of a group or array of N5."""
    file = folder / "attributes.json"
    before = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**before, **attributes}))
