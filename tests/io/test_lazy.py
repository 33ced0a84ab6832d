from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.io.helpers import voxels, write_ome_zarr

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


@pytest.mark.parametrize("name", [*WRITERS, "a.zarr", "a.npy"])
def test_threads_read_what_is_there(tmp_path, name, monkeypatch):
    monkeypatch.setattr("napari_segtrain.io.tiff_pages.CACHE", BlockCache(2000))
    data = voxels(6, 48, 40, dtype=np.uint16)
    path = tmp_path / name
    if name in WRITERS:
        tifffile.imwrite(path, data, photometric="minisblack", **WRITERS[name])
    elif name == "a.npy":
        np.save(path, data)
    else:
        write_ome_zarr(path, data, "ZYX")
    array = read_image(path).array

    def read(seed):
        rng = np.random.default_rng(seed)
        z, y, x = rng.integers(0, [6, 32, 24])
        key = (slice(z, z + 1), slice(y, y + 16), slice(x, x + 16))
        return np.array_equal(array[key], data[key])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(400)))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts Linux handles")
@pytest.mark.parametrize("options", WRITERS.values(), ids=WRITERS.keys())
def test_many_images_hold_no_file_open(tmp_path, options):
    data = voxels(2, 8, 8)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    images = []
    for index in range(20):
        path = tmp_path / f"{index}.tif"
        tifffile.imwrite(path, data, photometric="minisblack", **options)
        images.append(read_image(path))
        np.testing.assert_array_equal(images[-1].array[1], data[1])
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


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
