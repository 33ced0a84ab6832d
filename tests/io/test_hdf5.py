from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from tests.io.helpers import voxels, write_hdf5

from napari_segtrain.errors import DataError
from napari_segtrain.io import fingerprint, list_images, read_image, read_labels

GIGABYTE = 1 << 30


@pytest.mark.parametrize("name", ["a.h5", "a.hdf5", "a.hdf", "a.H5"])
def test_only_data_set(tmp_path, name):
    data = voxels(4, 20, 30, dtype=np.uint16)
    write_hdf5(tmp_path / name, volumes__raw=data)
    image = read_image(tmp_path / name)
    assert (image.axes, image.voxel_size, image.level) == ("ZYX", None, "")
    assert (image.name, image.source) == ("a", tmp_path / name)
    np.testing.assert_array_equal(image.array, data)
    np.testing.assert_array_equal(image.array[1, ::-4], data[1, ::-4])


@pytest.mark.parametrize("dtype", ["u1", ">u2", "i4", ">f4", "f2", "?"])
def test_types_come_back_in_native_order(tmp_path, dtype):
    data = (voxels(6, 8) % 2).astype(dtype)
    write_hdf5(tmp_path / "a.h5", raw=data)
    array = read_image(tmp_path / "a.h5").array
    assert array.dtype.isnative
    assert array[1:3].dtype == array.dtype
    assert array.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(array, data)


def test_part_of_a_file(tmp_path):
    raw, other = voxels(4, 20, 30), voxels(4, 20, 30, seed=1)
    write_hdf5(tmp_path / "a.h5", volumes__raw=raw, volumes__other=other, x__y=raw + 1)
    image = read_image(tmp_path / "a.h5" / "volumes" / "other")
    assert (image.name, image.source) == ("other", tmp_path / "a.h5/volumes/other")
    np.testing.assert_array_equal(image.array, other)
    np.testing.assert_array_equal(read_image(tmp_path / "a.h5/x").array, raw + 1)


def test_several_data_sets(tmp_path):
    write_hdf5(tmp_path / "a.h5", raw=voxels(4, 5), b__c=voxels(4, 5), d=voxels(4, 5))
    message = r"a\.h5 holds 3 arrays \(b/c, d, raw\); give the path of one, such as .*"
    with pytest.raises(DataError, match=message) as caught:
        read_image(tmp_path / "a.h5")
    assert str(caught.value).endswith(f"{tmp_path / 'a.h5' / 'b' / 'c'}.")
    with pytest.raises(DataError, match=r"a\.h5 holds no 'x/y'; its arrays are b/c, d"):
        read_image(tmp_path / "a.h5/x/y")
    with pytest.raises(DataError, match=r"holds no 'raw/y'"):
        read_image(tmp_path / "a.h5/raw/y")


def test_what_is_no_image_does_not_count(tmp_path):
    write_hdf5(
        tmp_path / "a.h5",
        raw=voxels(4, 5),
        positions=np.arange(5.0),
        count=3,
        notes="text",
        table=np.zeros((2, 2), [("a", "i4"), ("b", "f4")]),
    )
    np.testing.assert_array_equal(read_image(tmp_path / "a.h5").array, voxels(4, 5))
    with pytest.raises(DataError, match="1 dimension"):
        read_image(tmp_path / "a.h5/positions")
    with pytest.raises(DataError, match="save the image as integers or real numbers"):
        read_image(tmp_path / "a.h5/table")


def test_links_are_followed(tmp_path):
    write_hdf5(tmp_path / "a.h5", raw=voxels(4, 5))
    with h5py.File(tmp_path / "b.h5", "w") as hdf5:
        hdf5["there"] = h5py.ExternalLink("a.h5", "/raw")
        hdf5["nowhere"] = h5py.ExternalLink("c.h5", "/raw")
    image = read_image(tmp_path / "b.h5/there")
    np.testing.assert_array_equal(image.array, voxels(4, 5))
    with pytest.raises(DataError, match=r"b\.h5"):
        read_image(tmp_path / "b.h5/nowhere")


def test_axes_of_ilastik(tmp_path):
    write_hdf5(tmp_path / "a.h5", exported_data=voxels(3, 20, 30, 2))
    tags = {"axes": [{"key": key, "typeFlags": 2} for key in "tyxc"]}
    with h5py.File(tmp_path / "a.h5", "a") as hdf5:
        hdf5["exported_data"].attrs["axistags"] = json.dumps(tags)
    assert read_image(tmp_path / "a.h5").axes == "TYXC"


def test_axes_of_dimension_labels(tmp_path):
    write_hdf5(tmp_path / "a.h5", raw=voxels(3, 20, 30))
    with h5py.File(tmp_path / "a.h5", "a") as hdf5:
        for dimension, name in zip(hdf5["raw"].dims, "cyx", strict=True):
            dimension.label = name
    assert read_image(tmp_path / "a.h5").axes == "CYX"


@pytest.mark.parametrize("tags", ["{", "[]", '{"axes": [{}]}', '{"axes": []}'])
def test_tags_that_say_nothing(tmp_path, tags):
    write_hdf5(tmp_path / "a.h5", raw=voxels(3, 20, 30))
    with h5py.File(tmp_path / "a.h5", "a") as hdf5:
        hdf5["raw"].attrs["axistags"] = tags
    assert read_image(tmp_path / "a.h5").axes == "ZYX"


@pytest.mark.parametrize(
    ("shape", "sizes", "expected"),
    [
        ((4, 20, 30), (2.0, 0.5, 0.25), (2.0, 0.5, 0.25)),
        ((4, 20, 30), np.float32([2, 0.5, 0.25]), (2.0, 0.5, 0.25)),
        ((4, 20, 30), (2, 1, 1), (2.0, 1.0, 1.0)),
        ((20, 30), (2.0, 0.5, 0.25), (0.5, 0.25)),
        ((20, 30), (0.5, 0.25), (0.5, 0.25)),
        ((2, 4, 20, 30), (9.0, 2.0, 0.5, 0.25), (2.0, 0.5, 0.25)),
        ((4, 20, 30), (1.0, 1.0, 1.0), None),  # Fiji, where nothing is known
        ((4, 20, 30), (0.0, 0.5, 0.25), None),
        ((4, 20, 30), (0.5, 0.25), None),
        ((4, 20, 30), "large", None),
    ],
)
def test_element_size(tmp_path, shape, sizes, expected):
    write_hdf5(tmp_path / "a.h5", raw=voxels(*shape))
    with h5py.File(tmp_path / "a.h5", "a") as hdf5:
        hdf5["raw"].attrs["element_size_um"] = sizes
    assert read_image(tmp_path / "a.h5").voxel_size == expected


@pytest.mark.parametrize(
    ("axes", "sizes", "expected"),
    [
        ("xyz", (0.25, 0.5, 2.0), (2.0, 0.5, 0.25)),
        ("zyxc", (2.0, 0.5, 0.25, 7.0), (2.0, 0.5, 0.25)),
        ("tzyx", (7.0, 1.0, 1.0, 1.0), None),
    ],
)
def test_element_size_follows_the_axes(tmp_path, axes, sizes, expected):
    write_hdf5(tmp_path / "a.h5", raw=voxels(*(4, 5, 6, 7)[: len(axes)]))
    with h5py.File(tmp_path / "a.h5", "a") as hdf5:
        tags = {"axes": [{"key": key} for key in axes]}
        hdf5["raw"].attrs["element_size_um"] = sizes
        hdf5["raw"].attrs["axistags"] = json.dumps(tags)
    assert read_image(tmp_path / "a.h5").voxel_size == expected


def test_labels(tmp_path):
    labels = voxels(4, 20, 30, dtype=np.uint32) % 5
    write_hdf5(tmp_path / "a.h5", raw=voxels(4, 20, 30), labels=labels)
    found = read_labels(tmp_path / "a.h5/labels")
    assert (found.name, found.array.dtype) == ("labels", np.uint32)
    np.testing.assert_array_equal(found.array, labels)


def test_pyramid_of_big_data_viewer(tmp_path):
    data = voxels(4, 20, 30, dtype=np.int16)
    levels = {
        "t00000__s00__0__cells": data,
        "t00000__s00__1__cells": data[:, ::2, ::2],
        "t00000__s00__2__cells": data[::2, ::4, ::4],
        "s00__resolutions": np.ones((3, 3)),
        "s00__subdivisions": np.ones((3, 3), np.int32),
    }
    for name in ("resolutions", "subdivisions"):
        levels[f"t00000__s00__{name}"] = levels.pop(f"s00__{name}")
    write_hdf5(tmp_path / "a.h5", **levels)
    image = read_image(tmp_path / "a.h5")
    assert image.level == "t00000/s00/0/cells"
    np.testing.assert_array_equal(image.array, data)
    group = read_image(tmp_path / "a.h5" / "t00000" / "s00")
    np.testing.assert_array_equal(group.array, data)
    level = read_image(tmp_path / "a.h5/t00000/s00/1/cells")
    np.testing.assert_array_equal(level.array, data[:, ::2, ::2])
    write_hdf5(tmp_path / "a.h5", t00001__s00__0__cells=data)
    with pytest.raises(DataError, match=r"2 arrays \(t00000/s00/0/cells, t00001/s00/0"):
        read_image(tmp_path / "a.h5")


def test_pyramid_of_levels(tmp_path):
    data = voxels(4, 20, 30)
    write_hdf5(tmp_path / "a.h5", raw__s0=data, raw__s1=data[:, ::2, ::2])
    image = read_image(tmp_path / "a.h5")
    assert image.level == "raw/s0"
    np.testing.assert_array_equal(image.array, data)


@pytest.mark.parametrize("shape", [(20, 30), (40, 30), (2, 10, 15)])
def test_names_alone_make_no_pyramid(tmp_path, shape):
    write_hdf5(tmp_path / "a.h5", s0=voxels(20, 30), s1=voxels(*shape))
    with pytest.raises(DataError, match=r"2 arrays \(s0, s1\)"):
        read_image(tmp_path / "a.h5")


def test_only_the_box_is_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as hdf5:
        shape = (6000, 6000, 6000)
        data = hdf5.create_dataset("raw", shape, "u1", chunks=(64, 64, 64))
        data[3000:3010, 3000:3010, 3000:3010] = voxels(10, 10, 10)
    array = read_image(tmp_path / "a.h5").array
    assert np.prod(array.shape) > 200 * GIGABYTE
    box = array[2990:3010, 3000:3020, 3005:3010]
    np.testing.assert_array_equal(box[10:, :10], voxels(10, 10, 10)[..., 5:])
    assert not box[:10].any()
    assert not box[:, 10:].any()


def test_each_read_takes_its_box_from_the_file(tmp_path, monkeypatch):
    write_hdf5(tmp_path / "a.h5", raw=voxels(40, 50, 60))
    array = read_image(tmp_path / "a.h5").array
    read = []
    original = h5py.Dataset.__getitem__
    monkeypatch.setattr(
        h5py.Dataset, "__getitem__", lambda d, key: read.append(key) or original(d, key)
    )
    _ = array[7, 10:20, -1]
    assert read == [(slice(7, 8), slice(10, 20), slice(59, 60))]


def test_broken_chunk_fails_when_it_is_read(tmp_path):
    data = voxels(2, 40, 50)
    with h5py.File(tmp_path / "a.h5", "w") as hdf5:
        raw = hdf5.create_dataset(
            "raw", data=data, chunks=(1, 40, 50), compression="gzip"
        )
        chunk = raw.id.get_chunk_info(0)
    with (tmp_path / "a.h5").open("rb+") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\xff" * chunk.size)
    array = read_image(tmp_path / "a.h5").array
    np.testing.assert_array_equal(array[1], data[1])
    with pytest.raises(DataError, match=r"a\.h5 cannot be read"):
        array[0]


def test_missing_filter_is_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as hdf5:
        hdf5.create_dataset(
            "raw",
            (64, 64),
            "u1",
            chunks=(64, 64),
            compression=32_099,
            allow_unknown_filter=True,
        )
    with pytest.raises(DataError, match=r"filter 32099.*pip install hdf5plugin"):
        read_image(tmp_path / "a.h5")


def test_listing_and_fingerprint_of_a_part(tmp_path):
    write_hdf5(tmp_path / "a.h5", raw=voxels(4, 5), labels=voxels(4, 5))
    assert list_images(tmp_path) == [tmp_path / "a.h5"]
    assert list_images(tmp_path / "a.h5/raw") == [tmp_path / "a.h5/raw"]
    assert fingerprint(tmp_path / "a.h5/raw") == fingerprint(tmp_path / "a.h5")
    with pytest.raises(DataError, match=r"b\.h5.* does not exist"):
        list_images(tmp_path / "b.h5/raw")
