from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.io.helpers import (
    voxels,
    write_hdf5,
    write_mrc,
    write_n5,
    write_ome_zarr,
)

from napari_segtrain.io import read_image
from napari_segtrain.io.cache import BlockCache
from napari_segtrain.io.lazy import BlockArray, pick
from napari_segtrain.io.tiff_pages import Layout

SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, max_side=6)


def lazy(data):
    return BlockArray(data.shape, data.dtype, lambda box: data[box].copy())


@given(st.data(), SHAPES)
def test_basic_indices_do_what_numpy_does(data, shape):
    expected = np.arange(np.prod(shape)).reshape(shape)
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=False))
    np.testing.assert_array_equal(lazy(expected)[key], expected[key])


@given(st.data(), SHAPES)
def test_views_are_what_numpy_gives(data, shape):
    expected = np.arange(np.prod(shape)).reshape(shape)
    picks = tuple(
        data.draw(
            st.one_of(
                st.integers(0, size - 1),
                st.integers(0, size - 1).map(lambda start: slice(start, None)),
            )
        )
        for size in shape
    )
    view = pick(lazy(expected), picks)
    assert view.shape == expected[picks].shape
    np.testing.assert_array_equal(view, expected[picks])


def test_wrong_indices():
    array = lazy(voxels(3, 4))
    with pytest.raises(IndexError):
        array[3]
    with pytest.raises(IndexError):
        array[0, 0, 0]
    with pytest.raises(TypeError):
        array[[0, 1]]


def test_array_conversion():
    data = voxels(3, 4)
    assert np.asarray(lazy(data), float).dtype == float
    assert (lazy(data).ndim, len(lazy(data))) == (2, 3)


@pytest.fixture
def decoded(monkeypatch):
    """Segments that were decoded, as (page offset, index)."""
    seen = []
    original = Layout.decode

    def decode(self, data, page, segment):
        seen.append((page.offsets[0], segment))
        return original(self, data, page, segment)

    monkeypatch.setattr(Layout, "decode", decode)
    return seen


@pytest.mark.parametrize("metadata", [{"axes": "ZYX"}, None])
def test_slice_of_a_compressed_stack_decodes_one_page(tmp_path, decoded, metadata):
    data = voxels(50, 40, 30)
    tifffile.imwrite(
        tmp_path / "a.tif",
        data,
        photometric="minisblack",
        compression="zlib",
        metadata=metadata,
    )
    image = read_image(tmp_path / "a.tif")
    assert decoded == []
    np.testing.assert_array_equal(image.array[17], data[17])
    assert len(decoded) == 1


def test_box_decodes_the_tiles_it_meets(tmp_path, decoded):
    data = voxels(128, 160)
    tifffile.imwrite(tmp_path / "a.tif", data, compression="zlib", tile=(32, 32))
    array = read_image(tmp_path / "a.tif").array
    np.testing.assert_array_equal(array[30:40, 64:90], data[30:40, 64:90])
    assert sorted(segment for _, segment in decoded) == [2, 7]


def test_strips_are_decoded_once_for_many_patches(tmp_path, decoded):
    data = voxels(2, 64, 64)
    tifffile.imwrite(tmp_path / "a.tif", data, compression="zlib")
    array = read_image(tmp_path / "a.tif").array
    for x in range(0, 60, 10):
        array[0, :, x : x + 10]
    assert len(decoded) == 1


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_nothing_of_a_broken_page_is_needed_for_another(tmp_path, compression):
    data = voxels(5, 40, 30)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for plane in data:
            tif.write(plane, compression=compression, contiguous=False, metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        offset, count = tif.pages[2].dataoffsets[0], tif.pages[2].databytecounts[0]
    with (tmp_path / "a.tif").open("rb+") as file:
        file.seek(offset)
        file.write(b"\xff" * count)
    array = read_image(tmp_path / "a.tif").array
    for index in (0, 1, 3, 4):
        np.testing.assert_array_equal(array[index], data[index])


WRITERS = {
    "mapped.tif": {},
    "zlib.tif": {"compression": "zlib"},
    "tiles.tif": {"compression": "zlib", "tile": (16, 16)},
    "imagej.tif": {"imagej": True, "metadata": {"axes": "ZYX"}},
}


def write(path, data):
    """Write an image in the format that its name says."""
    if path.name in WRITERS:
        tifffile.imwrite(path, data, photometric="minisblack", **WRITERS[path.name])
    elif path.name == "a.npy":
        np.save(path, data)
    elif path.name == "a.h5":
        write_hdf5(path, raw=data)
    elif path.name == "packed.h5":
        with h5py.File(path, "w") as hdf5:
            hdf5.create_dataset("raw", data=data, chunks=(2, 8, 8), compression="gzip")
    elif path.name == "a.mrc":
        write_mrc(path, data)
    elif path.name == "a.n5":
        write_n5(path / "raw", data)
    else:
        write_ome_zarr(path, data, "ZYX")


FILES = [*WRITERS, "a.npy", "a.h5", "packed.h5", "a.mrc"]
STORES = ["a.zarr", "a.n5"]


@pytest.mark.parametrize("name", [*FILES, *STORES])
def test_threads_read_what_is_there(tmp_path, name, monkeypatch):
    monkeypatch.setattr("napari_segtrain.io.tiff_pages.CACHE", BlockCache(2000))
    data = voxels(6, 48, 40, dtype=np.uint16)
    write(tmp_path / name, data)
    array = read_image(tmp_path / name).array

    def read(seed):
        rng = np.random.default_rng(seed)
        z, y, x = rng.integers(0, [6, 32, 24])
        key = (slice(z, z + 1), slice(y, y + 16), slice(x, x + 16))
        return np.array_equal(array[key], data[key])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(400)))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads Linux handles")
@pytest.mark.parametrize("name", [*FILES, *STORES])
def test_many_images_hold_no_file_open(tmp_path, name):
    data = voxels(2, 8, 8, dtype=np.uint16)
    images = []
    for index in range(20):
        path = tmp_path / str(index) / name
        path.parent.mkdir()
        write(path, data)
        images.append(read_image(path))
        np.testing.assert_array_equal(images[-1].array[1], data[1])
    assert open_below(tmp_path) == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads Linux handles")
def test_an_open_file_is_seen(tmp_path):
    path = tmp_path / "a.tif"
    with path.open("wb"):
        assert open_below(tmp_path) == [path]


def open_below(folder):
    """Files in a folder that this process holds open."""
    files = []
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own handle
            files.append(handle.readlink())
    return [file for file in files if file.is_relative_to(folder)]


def test_cache_stays_within_its_bound():
    cache = BlockCache(max_bytes=100)
    n_decoded = 0

    def decode():
        nonlocal n_decoded
        n_decoded += 1
        return np.zeros(40, np.uint8)

    for key in [1, 2, 1, 3, 1, 2]:
        cache.get(key, decode)
    assert n_decoded == 4  # 2 was dropped for 3, the least recently used
    large = cache.get("large", lambda: np.zeros(1000, np.uint8))
    assert large.size == 1000
    cache.get(2, decode)
    assert n_decoded == 4


def test_cache_from_threads():
    cache = BlockCache(max_bytes=500)
    barrier = threading.Barrier(4)

    def read(seed):
        barrier.wait()
        keys = np.random.default_rng(seed).integers(0, 20, 300)
        return all(cache.get(int(k), lambda k=k: np.full(50, k))[0] == k for k in keys)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, range(4)))


def test_cached_blocks_cannot_be_changed():
    block = BlockCache().get(1, lambda: np.zeros(4))
    with pytest.raises(ValueError, match="read-only"):
        block[0] = 1


@pytest.mark.parametrize("name", ["a.npy", "a.h5", "a.mrc", "a.n5", "a.zarr"])
def test_a_format_is_loaded_when_it_is_read(tmp_path, name):
    write(tmp_path / name, voxels(2, 8, 8, dtype=np.uint16))
    code = (
        "import sys; from napari_segtrain.io import read_image; "
        f"read_image({str(tmp_path / name)!r}); "
        "print(*sys.modules.keys() & {'h5py', 'tensorstore'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    needed = {".h5": ["h5py"], ".n5": ["tensorstore"]}
    assert done.stdout.split() == needed.get(Path(name).suffix, [])
