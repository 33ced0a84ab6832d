from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import roifile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_segtrain.errors import DataError
from napari_segtrain.objects.imagej_rois import read_rois, write_rois
from napari_segtrain.objects.outlines import Outline, fill_outlines, trace_outlines

TRIANGLE = np.array([[1.25, 2.5], [9.75, 2.5], [9.75, 12.125]])


def saved(path, *rois):
    roifile.roiwrite(path, rois, name=[f"roi {i}" for i in range(len(rois))])
    return path


@given(
    arrays(
        np.int32,
        array_shapes(min_dims=3, max_dims=3, max_side=8),
        elements=st.integers(0, 3),
    ).filter(np.any)
)
def test_objects_come_back(ids):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "objects.zip"
        n_rois = write_rois(path, trace_outlines(ids))
        found = fill_outlines(read_rois(path), ids.shape)
    np.testing.assert_array_equal(found, ids)
    assert n_rois == sum(len(np.unique(s[s > 0])) for s in ids)


def test_what_imagej_reads(tmp_path):
    ids = np.zeros((3, 8, 9), int)
    ids[0, 2:4, 3:6] = 12
    ids[2, 1:5, 1:6] = 12
    ids[2, 2, 2:4] = 0
    write_rois(tmp_path / "a.zip", trace_outlines(ids))
    traced, composite = roifile.roiread(tmp_path / "a.zip")
    assert (traced.name, traced.position) == ("12", 1)
    assert traced.roitype == roifile.ROI_TYPE.TRACED
    assert (traced.left, traced.top, traced.right, traced.bottom) == (3, 2, 6, 4)
    assert sorted(map(tuple, traced.coordinates())) == [(3, 2), (3, 4), (6, 2), (6, 4)]
    assert (composite.name, composite.position) == ("12", 3)
    assert composite.composite
    assert len(composite.coordinates(multi=True)) == 2
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["0001-12.roi", "0003-12.roi"]


def test_parts_of_pixels_are_kept(tmp_path):
    outline = Outline(3, 1, TRIANGLE)
    write_rois(tmp_path / "a.zip", [outline])
    (found,) = read_rois(tmp_path / "a.zip")
    assert (found.id, found.z) == (3, 1)
    np.testing.assert_array_equal(found.points, TRIANGLE)


def test_large_and_negative_coordinates(tmp_path):
    points = np.array([[-3, -2], [70_000, -2], [70_000, 90_000]], float) - 0.5
    write_rois(tmp_path / "a.zip", [Outline(3, 1, points)])
    (found,) = read_rois(tmp_path / "a.zip")
    np.testing.assert_array_equal(found.points, points)


def test_pieces_that_do_not_follow_each_other(tmp_path):
    pieces = [Outline(i, 0, TRIANGLE + shift) for i, shift in ((1, 0), (2, 20), (1, 9))]
    assert write_rois(tmp_path / "a.zip", pieces) == 3
    assert [outline.id for outline in read_rois(tmp_path / "a.zip")] == [1, 2, 1]


def test_other_rois_of_imagej(tmp_path):
    rectangle = roifile.ImagejRoi()
    rectangle.roitype = roifile.ROI_TYPE.RECT
    rectangle.top, rectangle.left, rectangle.bottom, rectangle.right = 1, 2, 4, 6
    rectangle.z_position = 2
    oval = roifile.ImagejRoi()
    oval.roitype = roifile.ROI_TYPE.OVAL
    oval.top, oval.left, oval.bottom, oval.right = 10, 20, 20, 40
    line = roifile.ImagejRoi.frompoints(np.array([[0, 0], [5, 5]]), name="77")
    line.roitype = roifile.ROI_TYPE.POLYLINE
    outlines = read_rois(saved(tmp_path / "a.zip", rectangle, line, oval))
    assert [(each.id, each.z) for each in outlines] == [(1, 1), (2, 0)]
    ids = fill_outlines(outlines, (2, 30, 50))
    expected = np.zeros((30, 50), int)
    expected[1:4, 2:6] = 1
    np.testing.assert_array_equal(ids[1], expected)
    assert np.count_nonzero(ids[0] == 2) == pytest.approx(np.pi * 5 * 10, rel=0.03)


def test_one_roi(tmp_path):
    roi = roifile.ImagejRoi.frompoints([[1, 1], [1, 4], [3, 4], [3, 1]], name="cell")
    roi.tofile(tmp_path / "a.roi")
    ids = fill_outlines(read_rois(tmp_path / "a.roi"), (1, 5, 5))
    assert np.argwhere(ids[0])[[0, -1]].tolist() == [[1, 1], [3, 2]]


@pytest.mark.parametrize("content", [b"Iout", b"PK\x03\x04 no archive", b"text"])
def test_bad_files_are_explained(tmp_path, content):
    path = tmp_path / "bad.zip"
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        read_rois(path)


def test_cut_off_rois_are_explained(tmp_path):
    path = tmp_path / "cut.zip"
    whole = roifile.ImagejRoi.frompoints(TRIANGLE).tobytes()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cut.roi", whole[:70])
    with pytest.raises(DataError, match="cannot be read"):
        read_rois(path)


def test_no_area(tmp_path):
    line = roifile.ImagejRoi.frompoints([[0, 0], [5, 5]])
    line.roitype = roifile.ROI_TYPE.POLYLINE
    with pytest.raises(DataError, match="no ROI with an area"):
        read_rois(saved(tmp_path / "a.zip", line))
