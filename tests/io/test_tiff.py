from __future__ import annotations

import numpy as np
import pytest
import tifffile
from tests.io.helpers import voxels

from napari_segtrain.errors import DataError
from napari_segtrain.io import read_image, read_labels

STORAGE = {
    "plain": {},
    "big-endian": {"byteorder": ">", "metadata": None},
    "bigtiff": {"bigtiff": True},
    "zlib": {"compression": "zlib"},
    "zlib pages": {"compression": "zlib", "metadata": None},
    "lzw tiles, predictor": {"compression": "lzw", "tile": (32, 16), "predictor": True},
    "zstd strips": {"compression": "zstd", "rowsperstrip": 7},
    "uncompressed tiles": {"tile": (32, 32)},
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
}


@pytest.mark.parametrize("storage", STORAGE.values(), ids=STORAGE.keys())
def test_any_storage_is_read_whole_and_in_parts(tmp_path, storage):
    expected = voxels(5, 61, 47, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", expected, photometric="minisblack", **storage)
    array = read_image(tmp_path / "a.tif").array
    assert array.shape == expected.shape
    assert array.dtype == np.uint16
    np.testing.assert_array_equal(array, expected)
    for key in [
        3,
        (slice(1, 4), slice(17, 40), slice(3, 33)),
        (-1, slice(None, None, -3), 5),
        (..., slice(10, 11)),
        (slice(2, 2), 1),
    ]:
        np.testing.assert_array_equal(array[key], expected[key])


@pytest.mark.parametrize(
    ("axes", "shape", "expected_axes"),
    [
        ("YX", (20, 30), "YX"),
        ("ZYX", (4, 20, 30), "ZYX"),
        ("TYX", (4, 20, 30), "TYX"),
        ("CYX", (2, 20, 30), "CYX"),
        ("TCZYX", (2, 3, 4, 20, 30), "TCZYX"),
        ("TZCYX", (2, 4, 3, 20, 30), "TZCYX"),
        ("TCZYX", (1, 1, 4, 20, 30), "ZYX"),
        ("TCZYX", (1, 2, 1, 20, 30), "CYX"),
        ("ZYX", (4, 1, 30), "ZYX"),
        ("AZYX", (3, 4, 20, 30), "AZYX"),
    ],
)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_ome_axes(tmp_path, axes, shape, expected_axes, compression):
    expected = voxels(*shape)
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        expected,
        photometric="minisblack",
        compression=compression,
        metadata={"axes": axes},
    )
    image = read_image(tmp_path / "a.ome.tif")
    assert image.axes == expected_axes
    np.testing.assert_array_equal(image.array, expected.reshape(image.array.shape))
    assert image.name == "a"
    assert image.source == tmp_path / "a.ome.tif"


def test_imagej_hyperstack_with_channels(tmp_path):
    expected = voxels(4, 2, 20, 30, dtype=np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", expected, imagej=True, metadata={"axes": "ZCYX"}
    )
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "ZCYX"
    np.testing.assert_array_equal(image.array, expected)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((4, 20, 30), "ZYX"),
        ((2, 4, 20, 30), "CZYX"),
        ((3, 2, 4, 20, 30), "TCZYX"),
        ((1, 4, 20, 30), "ZYX"),
    ],
)
def test_pages_without_names_are_slices(tmp_path, shape, axes):
    tifffile.imwrite(tmp_path / "a.tif", voxels(*shape), photometric="minisblack")
    assert read_image(tmp_path / "a.tif").axes == axes


def test_axes_of_the_user_win(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", voxels(4, 20, 30), photometric="minisblack")
    assert read_image(tmp_path / "a.tif", axes="TYX").axes == "TYX"
    assert read_labels(tmp_path / "a.tif", axes="tyx").axes == "TYX"
    with pytest.raises(DataError, match="one letter per dimension"):
        read_image(tmp_path / "a.tif", axes="TZYX")


def test_axes_of_the_user_may_name_singletons(tmp_path):
    data = voxels(1, 4, 20, 30)
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        data,
        photometric="minisblack",
        metadata={"axes": "TZYX"},
    )
    assert read_image(tmp_path / "a.ome.tif", axes="TYX").axes == "TYX"
    np.save(tmp_path / "a.npy", data)
    image = read_image(tmp_path / "a.npy", axes="CZYX")
    assert (image.axes, image.array.shape) == ("CZYX", data.shape)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib", "jpeg"])
def test_rgb_samples_are_channels(tmp_path, planar, compression):
    shape = (3, 48, 64) if planar == "separate" else (48, 64, 3)
    data = np.full(shape, 77, np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif",
        data,
        photometric="rgb",
        planarconfig=planar,
        compression=compression,
    )
    image = read_image(tmp_path / "a.tif")
    assert image.axes == ("CYX" if planar == "separate" else "YXC")
    np.testing.assert_allclose(np.asarray(image.array, int), data, atol=3)


def test_stack_of_rgb_pages(tmp_path):
    data = voxels(5, 24, 32, 3)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", compression="zlib")
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "ZYXC"
    np.testing.assert_array_equal(image.array[2, 5:9], data[2, 5:9])


def test_alpha_is_dropped(tmp_path):
    data = voxels(24, 32, 4)
    tifffile.imwrite(
        tmp_path / "a.tif", data, photometric="rgb", extrasamples=["unassalpha"]
    )
    image = read_image(tmp_path / "a.tif")
    assert image.n_channels == 3
    np.testing.assert_array_equal(image.array, data[..., :3])


def test_channels_with_rgb_samples_are_refused(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        voxels(2, 24, 32, 3),
        photometric="rgb",
        metadata={"axes": "CYXS"},
    )
    with pytest.raises(DataError, match="both channels and RGB samples"):
        read_image(tmp_path / "a.ome.tif")


def test_pyramid_is_read_at_full_resolution(tmp_path):
    data = voxels(4, 64, 64)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tif:
        options = {"photometric": "minisblack", "tile": (32, 32), "compression": "zlib"}
        tif.write(data, subifds=1, metadata={"axes": "ZYX"}, **options)
        tif.write(data[:, ::2, ::2], subfiletype=1, **options)
    image = read_image(tmp_path / "a.ome.tif")
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.array, data)


def test_first_of_several_images_is_read(tmp_path):
    first = voxels(4, 24, 32)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tif:
        tif.write(first, photometric="minisblack", metadata={"axes": "ZYX"})
        tif.write(voxels(9, 11), photometric="minisblack", metadata={"axes": "YX"})
    np.testing.assert_array_equal(read_image(tmp_path / "a.ome.tif").array, first)


def test_ome_image_over_several_files(tmp_path):
    data = voxels(4, 24, 32, dtype=np.uint16)
    uuids = [f"urn:uuid:{i:08d}-0000-0000-0000-000000000000" for i in range(2)]
    planes = "".join(
        f'<TiffData FirstZ="{z}" IFD="{z % 2}" PlaneCount="1">'
        f'<UUID FileName="part{z // 2}.ome.tif">{uuids[z // 2]}</UUID></TiffData>'
        for z in range(4)
    )
    for part in range(2):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uuids[part]}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            'DimensionOrder="XYZCT" Type="uint16" SizeX="32" SizeY="24" SizeZ="4" '
            'SizeC="1" SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
            f"{planes}</Pixels></Image></OME>"
        )
        tifffile.imwrite(
            tmp_path / f"part{part}.ome.tif",
            data[2 * part : 2 * part + 2],
            photometric="minisblack",
            description=xml,
            metadata=None,
            compression="zlib",
        )
    image = read_image(tmp_path / "part0.ome.tif")
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.array, data)
    (tmp_path / "part1.ome.tif").unlink()
    with pytest.raises(DataError, match="lacks 2 of its 4 planes"):
        read_image(tmp_path / "part0.ome.tif")


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_dtypes(tmp_path, dtype):
    data = (voxels(12, 16) - 100.0).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", data, compression="zlib")
    array = read_image(tmp_path / "a.tif").array
    assert array.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(array, data)


def test_one_bit_images_are_boolean(tmp_path):
    data = voxels(12, 16) > 100
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack")
    array = read_labels(tmp_path / "a.tif").array
    assert array.dtype == np.bool_
    np.testing.assert_array_equal(array, data)
