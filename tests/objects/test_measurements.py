"""Measurements against scikit-image, and figures that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage import measure

from napari_segtrain.objects.measurements import measure_objects


def some_objects(seed: int, shape: tuple[int, int, int]) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    return measure.label(noise > 0.03, connectivity=1).astype(np.uint16)


@pytest.mark.parametrize("shape", [(12, 40, 50), (1, 60, 70)])
def test_as_scikit_image(shape: tuple[int, int, int]) -> None:
    ids = some_objects(0, shape) * 3
    image = np.random.default_rng(1).integers(0, 60000, shape).astype(np.uint16)
    voxel = (0.5, 0.2, 0.2)
    table = measure_objects(ids, voxel_size=voxel, channels={"dapi": image})
    flat = shape[0] == 1
    part = 0 if flat else slice(None)
    regions = measure.regionprops(ids[part], image[part], spacing=voxel[flat:])
    assert len(table) == len(regions) > 3
    for row, region in zip(table.to_rows(), regions, strict=True):
        assert row["label"] == region.label
        assert row["voxels"] == region.num_pixels
        assert row["area" if flat else "volume"] == pytest.approx(region.area)
        names = "yx" if flat else "zyx"
        centers = [row[f"center_{axis}"] for axis in names]
        assert centers == pytest.approx(region.centroid)
        box = [row[f"{axis}_{end}"] for end in ("from", "to") for axis in names]
        assert box == list(region.bbox)
        assert row["mean_dapi"] == pytest.approx(region.intensity_mean)
        assert row["max_dapi"] == region.intensity_max
        assert row["sum_dapi"] == pytest.approx(region.image_intensity.sum(dtype=float))
        if flat:
            assert row["axis_1"] == pytest.approx(region.axis_major_length, abs=1e-9)
            assert row["axis_2"] == pytest.approx(region.axis_minor_length, abs=1e-9)


def test_a_ball_in_micrometers() -> None:
    z, y, x = np.mgrid[-12:13, -30:31, -30:31]
    ids = ((2 * z) ** 2 + y**2 + x**2 <= 20**2).astype(np.uint8)
    row = measure_objects(ids, voxel_size=(0.2, 0.1, 0.1)).row(0)
    assert row["volume"] == pytest.approx(4 / 3 * math.pi * 8, rel=0.01)
    assert row["surface"] == pytest.approx(4 * math.pi * 4, rel=0.02)
    assert row["sphericity"] == pytest.approx(1, abs=0.02)
    for axis in (1, 2, 3):
        assert row[f"axis_{axis}"] == pytest.approx(4, rel=0.01)
    assert row["on_border"] == 0
    assert row["neighbor"] is None
    assert row["neighbor_distance"] is None


def test_a_disk_is_round() -> None:
    y, x = np.mgrid[-30:31, -30:31]
    row = measure_objects((y**2 + x**2 <= 625).astype(np.uint8)[np.newaxis]).row(0)
    assert row["circularity"] == pytest.approx(1, abs=0.04)
    assert not {"axis_3", "center_z", "z_from"} & row.keys()


def test_the_shape_of_what_the_border_cuts_is_not_known() -> None:
    ids = np.zeros((1, 20, 20), np.uint8)
    ids[0, :5, 5:10], ids[0, 10:15, 5:10] = 1, 2
    cut, whole = measure_objects(ids).to_rows()
    assert (cut["on_border"], cut["circularity"]) == (1, None)
    assert whole["on_border"] == 0
    assert whole["circularity"] is not None


def test_neighbors_are_the_nearest_centers() -> None:
    ids = np.zeros((1, 1, 20), np.uint8)
    ids[0, 0, [0, 5, 18]] = 4, 2, 9
    columns = measure_objects(ids, voxel_size=(1.0, 1.0, 2.0)).columns
    assert columns["label"].tolist() == [2, 4, 9]
    assert columns["neighbor"].tolist() == [4, 2, 2]
    assert columns["neighbor_distance"].tolist() == [10, 10, 26]
    assert columns["on_border"].tolist() == [0, 1, 0]


def test_nothing_is_an_empty_table() -> None:
    channels = {"a": np.ones((2, 3, 4))}
    table = measure_objects(np.zeros((2, 3, 4), np.uint8), channels=channels)
    assert len(table) == 0
    assert list(table.to_rows()) == []
    assert table.unit == "voxels"
    assert {"volume", "sphericity", "mean_a"} <= table.columns.keys()


@settings(max_examples=30, deadline=None)
@given(
    hnp.arrays(
        np.uint8,
        hnp.array_shapes(min_dims=3, max_dims=3, max_side=6),
        elements=st.integers(0, 3),
    )
)
def test_blocks_do_not_matter(ids: np.ndarray) -> None:
    image = np.random.default_rng(0).normal(size=ids.shape)
    whole = measure_objects(ids, channels={"i": image})
    parts = measure_objects(ids, channels={"i": image}, block_voxels=9)
    assert whole.columns.keys() == parts.columns.keys()
    for name, column in whole.columns.items():
        np.testing.assert_allclose(parts.columns[name], column, atol=1e-6, err_msg=name)
