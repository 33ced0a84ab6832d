from __future__ import annotations

import shutil

import numpy as np
import pytest
import zarr
from tests.io.helpers import create, voxels, write_ome_zarr

from napari_segtrain.errors import DataError
from napari_segtrain.io import list_images, read_image, read_labels

VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])


@VERSIONS
def test_ome_zarr(tmp_path, version):
    data = voxels(2, 4, 20, 30, dtype=np.uint16)
    path = tmp_path / "cells.ome.zarr"
    group = write_ome_zarr(
        path, data, "CZYX", (1, 1500, 250, 200), unit="nanometer", version=version
    )
    omero = {"channels": [{"label": "DAPI"}, {"label": "GFP"}]}
    if version == "0.5":
        group.attrs["ome"] = {**group.attrs["ome"], "omero": omero}
    else:
        group.attrs["omero"] = omero
    image = read_image(path)
    assert image.axes == "CZYX"
    assert image.voxel_size == pytest.approx((1.5, 0.25, 0.2))
    assert image.channel_names == ("DAPI", "GFP")
    assert (image.name, image.source, image.level) == ("cells", path, "0")
    np.testing.assert_array_equal(image.array, data)


@VERSIONS
def test_singletons_are_dropped_and_the_channel_keeps_its_name(tmp_path, version):
    data = voxels(1, 1, 4, 20, 30)
    write_ome_zarr(tmp_path / "a.zarr", data, "TCZYX", (1, 1, 2, 1, 1), version=version)
    image = read_image(tmp_path / "a.zarr")
    assert (image.axes, image.voxel_size) == ("ZYX", (2.0, 1.0, 1.0))
    np.testing.assert_array_equal(image.array[1:3, 5], data[0, 0, 1:3, 5])


@VERSIONS
def test_scale_without_unit_is_unknown(tmp_path, version):
    write_ome_zarr(
        tmp_path / "a.zarr",
        voxels(4, 20, 30),
        "ZYX",
        (2, 1, 1),
        unit=None,
        version=version,
    )
    assert read_image(tmp_path / "a.zarr").voxel_size is None


def test_scale_of_the_whole_pyramid_multiplies(tmp_path):
    group = write_ome_zarr(tmp_path / "a.zarr", voxels(20, 30), "YX", (0.5, 0.5))
    ome = group.attrs["ome"]
    ome["multiscales"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [4.0, 2.0]}
    ]
    group.attrs["ome"] = ome
    assert read_image(tmp_path / "a.zarr").voxel_size == (2.0, 1.0)


def test_no_transformations_is_unknown(tmp_path):
    write_ome_zarr(tmp_path / "a.zarr", voxels(20, 30), "YX")
    assert read_image(tmp_path / "a.zarr").voxel_size is None


@VERSIONS
def test_labels_inside_an_image(tmp_path, version):
    labels = voxels(4, 20, 30, dtype=np.uint32) % 5
    write_ome_zarr(tmp_path / "a.zarr", voxels(4, 20, 30), "ZYX", version=version)
    inside = tmp_path / "a.zarr" / "labels"
    zarr.create_group(str(inside), zarr_format=3 if version == "0.5" else 2)
    write_ome_zarr(inside / "nuclei", labels, "ZYX", version=version)
    found = read_labels(tmp_path / "a.zarr")
    assert (found.axes, found.array.dtype) == ("ZYX", np.uint32)
    np.testing.assert_array_equal(found.array, labels)
    write_ome_zarr(inside / "cells", labels + 1, "ZYX", version=version)
    with pytest.raises(DataError, match=r"2 label images \(cells, nuclei\)"):
        read_labels(tmp_path / "a.zarr")
    found = read_labels(inside / "cells")
    np.testing.assert_array_equal(found.array, labels + 1)


def test_store_of_labels_alone(tmp_path):
    labels = voxels(20, 30) % 3
    write_ome_zarr(tmp_path / "a.zarr", labels, "YX")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.zarr").array, labels)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_plain_array(tmp_path, zarr_format):
    data = voxels(4, 20, 30, dtype=np.uint16)
    array = zarr.create_array(
        str(tmp_path / "a.zarr"),
        shape=data.shape,
        chunks=(1, 8, 8),
        dtype=">u2" if zarr_format == 2 else "u2",
        zarr_format=zarr_format,
    )
    array[...] = data
    image = read_image(tmp_path / "a.zarr")
    assert (image.axes, image.voxel_size) == ("ZYX", None)
    assert image.array.dtype.isnative
    assert image.array[1].dtype.isnative
    np.testing.assert_array_equal(image.array[..., ::-4], data[..., ::-4])


def test_named_dimensions_are_axes(tmp_path):
    zarr.create_array(
        str(tmp_path / "a.zarr"),
        shape=(3, 20, 30),
        dtype="u1",
        dimension_names=["time", "y", "x"],
    )
    assert read_image(tmp_path / "a.zarr").axes == "TYX"


def test_group_with_one_array(tmp_path):
    group = zarr.create_group(str(tmp_path / "a.zarr"))
    data = voxels(4, 20, 30)
    create(group, "volume", data)
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr").array, data)
    create(group, "other", data)
    with pytest.raises(DataError, match=r"2 arrays \(other, volume\); give the path"):
        read_image(tmp_path / "a.zarr")
    image = read_image(tmp_path / "a.zarr" / "volume")
    np.testing.assert_array_equal(image.array, data)


def test_other_files_in_a_group_do_not_matter(tmp_path):
    group = zarr.create_group(str(tmp_path / "a.zarr"))
    create(group, "volume", voxels(20, 30))
    (tmp_path / "a.zarr" / "METADATA.ome.xml").write_text("<OME/>")
    assert read_image(tmp_path / "a.zarr").level == "volume"


def test_more_axes_than_dimensions(tmp_path):
    write_ome_zarr(tmp_path / "a.zarr", voxels(20, 30), "ZYX")
    with pytest.raises(DataError, match="3 axes for 2 dimensions"):
        read_image(tmp_path / "a.zarr")


def test_empty_group(tmp_path):
    zarr.create_group(str(tmp_path / "a.zarr"))
    with pytest.raises(DataError, match="holds no arrays"):
        read_image(tmp_path / "a.zarr")


def test_plate_is_refused(tmp_path):
    group = zarr.create_group(str(tmp_path / "a.zarr"))
    group.attrs["ome"] = {"plate": {}}
    with pytest.raises(DataError, match="plate of many images"):
        read_image(tmp_path / "a.zarr")


def test_bioformats2raw_takes_the_first_series(tmp_path):
    group = zarr.create_group(str(tmp_path / "a.zarr"), zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    data = voxels(20, 30)
    write_ome_zarr(tmp_path / "a.zarr" / "0", data, "YX", version="0.4")
    image = read_image(tmp_path / "a.zarr")
    assert image.level == "0/0"
    np.testing.assert_array_equal(image.array, data)


def test_store_is_one_image_not_a_folder(tmp_path):
    write_ome_zarr(tmp_path / "a.zarr", voxels(20, 30), "YX")
    assert list_images(tmp_path / "a.zarr") == [tmp_path / "a.zarr"]
    assert list_images(tmp_path) == [tmp_path / "a.zarr"]


def test_slice_is_read_although_another_chunk_is_broken_or_missing(tmp_path):
    data = voxels(3, 20, 30) + 1
    write_ome_zarr(tmp_path / "a.zarr", data, "ZYX")
    chunks = tmp_path / "a.zarr" / "0" / "c"
    (chunks / "0" / "0" / "0").write_bytes(b"broken")
    shutil.rmtree(chunks / "2")
    array = read_image(tmp_path / "a.zarr").array
    np.testing.assert_array_equal(array[1], data[1])
    np.testing.assert_array_equal(array[2], np.zeros((20, 30)))
    with pytest.raises(DataError, match=r"a\.zarr cannot be read"):
        array[0]


@pytest.mark.parametrize("name", ["zarr.json", "0/zarr.json"])
def test_broken_metadata(tmp_path, name):
    write_ome_zarr(tmp_path / "a.zarr", voxels(20, 30), "YX")
    (tmp_path / "a.zarr" / name).write_text("{")
    with pytest.raises(DataError, match=r"a\.zarr cannot be read"):
        read_image(tmp_path / "a.zarr")


def test_incomplete_ome_metadata(tmp_path):
    group = zarr.create_group(str(tmp_path / "a.zarr"))
    group.attrs["ome"] = {"multiscales": [{"axes": []}]}
    with pytest.raises(DataError, match=r"a\.zarr cannot be read"):
        read_image(tmp_path / "a.zarr")


def test_empty_store_folder(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(DataError, match=r"a\.zarr"):
        read_image(tmp_path / "a.zarr")
