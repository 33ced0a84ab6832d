from __future__ import annotations

import numpy as np
import pytest
from tests.io.helpers import add_attributes, voxels, write_n5, write_ome_zarr

from napari_segtrain.errors import DataError
from napari_segtrain.io import fingerprint, list_images, read_image, read_labels

GIGABYTE = 1 << 30


BLOSC = {"type": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 1}


@pytest.mark.parametrize(
    "compression",
    [*({"type": name} for name in ("raw", "gzip", "bzip2", "xz")), BLOSC],
    ids=lambda settings: settings["type"],
)
@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4", "f8"])
def test_only_array(tmp_path, compression, dtype):
    data = voxels(4, 20, 30).astype(dtype)
    write_n5(tmp_path / "a.n5" / "raw", data, compression)
    image = read_image(tmp_path / "a.n5")
    assert (image.axes, image.voxel_size, image.level) == ("ZYX", None, "")
    assert (image.name, image.array.dtype) == ("a", np.dtype(dtype))
    np.testing.assert_array_equal(image.array, data)
    np.testing.assert_array_equal(image.array[1, ::-4], data[1, ::-4])


def test_unknown_compression(tmp_path):
    write_n5(tmp_path / "a.n5/raw", voxels(20, 30), compression={"type": "raw"})
    add_attributes(tmp_path / "a.n5/raw", compression={"type": "own"})
    with pytest.raises(DataError, match=r'a\.n5 cannot be read.*"own"'):
        read_image(tmp_path / "a.n5")


def test_blocks_are_contiguous(tmp_path):
    write_n5(tmp_path / "a.n5/raw", voxels(4, 20, 30))
    assert read_image(tmp_path / "a.n5").array[1:3, :7].flags.c_contiguous


def test_container_that_is_an_array(tmp_path):
    write_n5(tmp_path / "a.n5", voxels(20, 30), axes=["x", "y"])
    image = read_image(tmp_path / "a.n5")
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.array, voxels(20, 30))


def test_part_of_a_container(tmp_path):
    write_n5(tmp_path / "a.n5/volumes/raw", voxels(4, 20, 30))
    write_n5(tmp_path / "a.n5/volumes/labels", voxels(4, 20, 30) % 3)
    image = read_image(tmp_path / "a.n5" / "volumes" / "raw")
    assert (image.name, image.source) == ("raw", tmp_path / "a.n5/volumes/raw")
    labels = read_labels(tmp_path / "a.n5/volumes/labels")
    np.testing.assert_array_equal(labels.array, voxels(4, 20, 30) % 3)
    message = r"a\.n5 holds 2 arrays \(volumes/labels, volumes/raw\); give the path"
    with pytest.raises(DataError, match=message):
        read_image(tmp_path / "a.n5")
    with pytest.raises(DataError, match="does not exist"):
        read_image(tmp_path / "a.n5/volumes/other")


def test_names_of_axes_count_from_x(tmp_path):
    write_n5(tmp_path / "a.n5/raw", voxels(3, 20, 30), axes=["x", "y", "t"])
    assert read_image(tmp_path / "a.n5").axes == "TYX"


UM = {"unit": "um"}
MIXED = {"units": ["nm", "nm", "um"]}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"resolution": [200, 250, 1.5], **MIXED}, (1.5, 0.25, 0.2)),
        ({"resolution": [0.2, 0.25, 1.5], "units": "um"}, (1.5, 0.25, 0.2)),
        ({"resolution": [0.2, 0.25, 1.5]}, None),
        ({"pixelResolution": {"dimensions": [0.2, 0.25, 1.5], **UM}}, (1.5, 0.25, 0.2)),
        ({"pixelResolution": [0.2, 0.25, 1.5], **UM}, (1.5, 0.25, 0.2)),
        ({"pixelResolution": [0.2, 0.25, 1.5]}, None),
        (
            {
                "transform": {
                    "axes": ["z", "y", "x"],
                    "scale": [1500, 250, 200],
                    "units": ["nm", "nm", "nm"],
                    "translate": [0, 0, 0],
                }
            },
            (1.5, 0.25, 0.2),
        ),
        ({"resolution": ["a", None, 1], **MIXED}, None),
    ],
)
@pytest.mark.parametrize("group", ["", "x", "x/raw"])
def test_voxel_size(tmp_path, attributes, expected, group):
    write_n5(tmp_path / "a.n5/x/raw", voxels(4, 20, 30))
    add_attributes(tmp_path / "a.n5" / group, **attributes)
    found = read_image(tmp_path / "a.n5").voxel_size
    assert found == (expected and pytest.approx(expected))


def test_voxel_size_beside_channels(tmp_path):
    sizes = {"x": 0.2, "y": 0.25, "z": 1.5, "c": 1.0}
    for order in ("xyzc", "cxyz"):
        write_n5(
            tmp_path / order / "a.n5",
            voxels(2, 3, 4, 5),
            axes=list(order),
            resolution=[sizes[axis] for axis in order],
            units=["um"] * 4,
        )
        image = read_image(tmp_path / order / "a.n5")
        assert image.axes == order[::-1].upper()
        assert image.voxel_size == pytest.approx((1.5, 0.25, 0.2))


@pytest.mark.parametrize("place", ["raw", "setup0/timepoint0"])
def test_pyramid(tmp_path, place):
    data = voxels(4, 20, 30, dtype=np.uint16)
    top = tmp_path / "a.n5"
    write_n5(top / place / "s0", data)
    write_n5(top / place / "s1", data[:, ::2, ::2], downsamplingFactors=[2, 2, 1])
    write_n5(top / place / "s10", data[:, ::4, ::4])
    add_attributes(top, n5="2.5.0")
    pixel = {"unit": "um", "dimensions": [0.2, 0.25, 1.5]}
    add_attributes(top / place, pixelResolution=pixel)
    image = read_image(top)
    assert image.level == f"{place}/s0"
    assert image.voxel_size == pytest.approx((1.5, 0.25, 0.2))
    np.testing.assert_array_equal(image.array, data)
    np.testing.assert_array_equal(read_image(top / place).array, data)
    coarse = read_image(top / place / "s1")
    assert coarse.voxel_size is None  # that of its group is not its own
    np.testing.assert_array_equal(coarse.array, data[:, ::2, ::2])
    add_attributes(top / place / "s1", pixelResolution=pixel)
    coarse = read_image(top / place / "s1")
    assert coarse.voxel_size == pytest.approx((1.5, 0.5, 0.4))
    transform = {"axes": ["z", "y", "x"], "scale": [6, 5, 4], "units": ["um"] * 3}
    add_attributes(top / place / "s1", transform=transform)
    assert read_image(top / place / "s1").voxel_size == (6.0, 5.0, 4.0)


def test_several_time_points(tmp_path):
    for place in ("setup0/timepoint0", "setup0/timepoint1"):
        for level, step in (("s0", 1), ("s1", 2)):
            write_n5(tmp_path / "a.n5" / place / level, voxels(4, 20, 30)[:, ::step])
    message = r"2 arrays \(setup0/timepoint0/s0, setup0/timepoint1/s0\); give the path"
    with pytest.raises(DataError, match=message):
        read_image(tmp_path / "a.n5")
    image = read_image(tmp_path / "a.n5/setup0/timepoint1")
    assert image.level == "s0"


def test_only_the_box_is_read(tmp_path):
    folder = tmp_path / "a.n5" / "raw"
    write_n5(folder, voxels(8, 8, 8))
    add_attributes(folder, dimensions=[6000, 6000, 6000], blockSize=[8, 8, 8])
    array = read_image(tmp_path / "a.n5").array
    assert np.prod(array.shape) > 200 * GIGABYTE
    np.testing.assert_array_equal(array[2:8, 3, :5], voxels(8, 8, 8)[2:8, 3, :5])
    assert not array[5990:, 5990:, 5990:].any()


def test_block_is_read_although_another_is_broken_or_missing(tmp_path):
    data = voxels(24, 20, 30) + 1
    write_n5(tmp_path / "a.n5/raw", data)
    array = read_image(tmp_path / "a.n5").array
    (tmp_path / "a.n5/raw/0/0/0").write_bytes(b"broken")
    (tmp_path / "a.n5/raw/0/0/2").unlink()
    np.testing.assert_array_equal(array[8:16], data[8:16])
    assert not array[16:, :8, :8].any()
    with pytest.raises(DataError, match=r"raw cannot be read"):
        array[0]


@pytest.mark.parametrize("content", ["{", "[]", '{"dimensions": [4], "dataType": "u"}'])
def test_broken_metadata(tmp_path, content):
    write_n5(tmp_path / "a.n5/raw", voxels(20, 30))
    (tmp_path / "a.n5/raw/attributes.json").write_text(content)
    with pytest.raises(DataError, match=r"a\.n5 cannot be read") as caught:
        read_image(tmp_path / "a.n5")
    assert "\n" not in str(caught.value)


def test_empty_container(tmp_path):
    (tmp_path / "a.n5").mkdir()
    add_attributes(tmp_path / "a.n5", n5="2.5.0")
    with pytest.raises(DataError, match=r"a\.n5 holds no arrays that can be read"):
        read_image(tmp_path / "a.n5")


def test_container_is_one_image_not_a_folder(tmp_path):
    write_n5(tmp_path / "a.n5/x/raw", voxels(20, 30))
    assert list_images(tmp_path) == [tmp_path / "a.n5"]
    assert list_images(tmp_path / "a.n5" / "x") == [tmp_path / "a.n5" / "x"]


def test_zarr_inside_stays_zarr(tmp_path):
    (tmp_path / "a.n5").mkdir()
    write_ome_zarr(tmp_path / "a.n5" / "b.zarr", voxels(20, 30), "YX")
    assert read_image(tmp_path / "a.n5" / "b.zarr").level == "0"


def test_fingerprint_notices_attributes(tmp_path):
    write_n5(tmp_path / "a.n5/raw", voxels(80, 80), name="one")  # in 100 blocks
    add_attributes(tmp_path / "a.n5", n5="2.5.0")
    before = fingerprint(tmp_path / "a.n5")
    add_attributes(tmp_path / "a.n5/raw", name="two")
    assert fingerprint(tmp_path / "a.n5") != before
