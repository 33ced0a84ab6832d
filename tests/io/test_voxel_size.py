from __future__ import annotations

import pytest
import tifffile
from tests.io.helpers import voxels

from napari_segtrain.errors import DataError
from napari_segtrain.io import read_image, read_labels
from napari_segtrain.io.units import to_micrometers


def write_ome(path, **sizes):
    tifffile.imwrite(
        path,
        voxels(3, 12, 16),
        photometric="minisblack",
        metadata={"axes": "ZYX", **sizes},
    )


def test_ome_sizes_are_micrometers_by_default(tmp_path):
    path = tmp_path / "a.ome.tif"
    write_ome(path, PhysicalSizeX=0.2, PhysicalSizeY=0.3, PhysicalSizeZ=1.5)
    assert read_image(path).voxel_size == (1.5, 0.3, 0.2)
    assert read_labels(path).voxel_size == (1.5, 0.3, 0.2)


def test_ome_units_are_converted_each(tmp_path):
    path = tmp_path / "a.ome.tif"
    write_ome(
        path,
        PhysicalSizeX=200,
        PhysicalSizeXUnit="nm",
        PhysicalSizeY=0.0003,
        PhysicalSizeYUnit="mm",
        PhysicalSizeZ=1.5,
        PhysicalSizeZUnit="µm",
    )
    assert read_image(path).voxel_size == pytest.approx((1.5, 0.3, 0.2))


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2},
        {
            **{f"PhysicalSize{axis}": 1.0 for axis in "XYZ"},
            **{f"PhysicalSize{axis}Unit": "pixel" for axis in "XYZ"},
        },
        {"PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 0.0},
    ],
    ids=["none", "no z", "pixels", "zero"],
)
def test_ome_without_full_size_is_unknown(tmp_path, sizes):
    write_ome(tmp_path / "a.ome.tif", **sizes)
    assert read_image(tmp_path / "a.ome.tif").voxel_size is None


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("micron", 1.0),
        ("um", 1.0),
        ("\\u00B5m", 1.0),
        ("nm", 1e-3),
        ("mm", 1e3),
        ("cm", 1e4),
        ("inch", None),
        ("pixel", None),
        (None, None),
    ],
)
def test_imagej_units(tmp_path, unit, factor):
    metadata = {"axes": "ZYX", "spacing": 3.0} | ({"unit": unit} if unit else {})
    tifffile.imwrite(
        tmp_path / "a.tif",
        voxels(3, 12, 16),
        imagej=True,
        resolution=(4.0, 2.0),
        metadata=metadata,
    )
    found = read_image(tmp_path / "a.tif").voxel_size
    expected = None if factor is None else (3 * factor, 0.5 * factor, 0.25 * factor)
    assert found == (None if expected is None else pytest.approx(expected))


def test_imagej_stack_without_spacing_is_unknown(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        voxels(3, 12, 16),
        imagej=True,
        resolution=(4.0, 4.0),
        metadata={"axes": "ZYX", "unit": "um"},
    )
    assert read_image(tmp_path / "a.tif").voxel_size is None


def test_imagej_plane_needs_no_spacing(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        voxels(12, 16),
        imagej=True,
        resolution=(4.0, 4.0),
        metadata={"unit": "um"},
    )
    assert read_image(tmp_path / "a.tif").voxel_size == (0.25, 0.25)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("CENTIMETER", (0.5, 0.5)), ("INCH", None), ("NONE", None)],
)
def test_plain_tiff_counts_centimeters_only(tmp_path, unit, expected):
    tifffile.imwrite(
        tmp_path / "a.tif",
        voxels(12, 16),
        resolution=(2e4, 2e4),
        resolutionunit=unit,
        metadata=None,
    )
    assert read_image(tmp_path / "a.tif").voxel_size == expected


def test_plain_stack_has_no_z_size(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        voxels(3, 12, 16),
        photometric="minisblack",
        resolution=(2e4, 2e4),
        resolutionunit="CENTIMETER",
    )
    assert read_image(tmp_path / "a.tif").voxel_size is None


def test_time_points_need_no_z_size(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        voxels(3, 12, 16),
        photometric="minisblack",
        resolution=(2e4, 2e4),
        resolutionunit="CENTIMETER",
    )
    assert read_image(path, axes="TYX").voxel_size == (0.5, 0.5)


def test_voxel_size_of_the_user_wins(tmp_path):
    path = tmp_path / "a.ome.tif"
    write_ome(path, PhysicalSizeX=0.2, PhysicalSizeY=0.3, PhysicalSizeZ=1.5)
    assert read_image(path, voxel_size=(2, 1, 1)).voxel_size == (2.0, 1.0, 1.0)
    with pytest.raises(DataError, match="does not fit the axes"):
        read_image(path, voxel_size=(1.0, -1.0, 1.0))


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (1, "furlong"),
        ("x", "um"),
        (float("nan"), "um"),
        (-1, "um"),
        (1, None),
        (None, "um"),
    ],
)
def test_what_is_no_length_is_unknown(value, unit):
    assert to_micrometers(value, unit) is None


def test_unit_names():
    names = ["µm", "μm", "Micrometer", "micrometers", "micron", "UM", " um "]
    assert [to_micrometers(2, name) for name in names] == [2.0] * len(names)
    assert to_micrometers("10", "angstrom") == pytest.approx(1e-3)
