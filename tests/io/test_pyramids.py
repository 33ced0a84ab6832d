"""OME-Zarr stores that are written block by block."""

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05 import Image as OmeImage
from ome_zarr_models.v05 import ImageLabel

from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.inference.volume.grid import BlockGrid
from napari_segtrain.io import read_image, read_labels
from napari_segtrain.io.pyramids import (
    Content,
    PyramidWriter,
    create_pyramid,
    plan_layout,
)

CLASSES = ClassTable(
    (
        ClassInfo(0, "background", "#000000", "background"),
        ClassInfo(7, "cell", "#ff8000"),
    )
)


def written(path, values, axes, content, block, *, order=1):
    """Write all blocks of an array; return the layout."""
    n_leading = len(axes) - 3 if "Z" in axes else len(axes) - 2
    spatial = values.shape[n_leading:]
    shape = (1, *spatial)[-3:]
    size = content.voxel_size
    layout = plan_layout(axes, values.shape[:n_leading], shape, block, size)
    create_pyramid(path, layout, content)
    writer = PyramidWriter(path, layout, content.kind)
    counts = values.shape[: n_leading - ("C" in axes)]
    grid = BlockGrid(counts, shape, layout.block)
    for number in list(range(grid.n_blocks))[::order]:
        part = grid[number]
        found = values[part.position]
        whole = found if "Z" in axes else np.expand_dims(found, -3)
        writer.write(part.position, part.box, whole[(..., *part.box)])
        np.testing.assert_array_equal(
            writer.read(part.position, part.box), whole[(..., *part.box)]
        )
    return layout


def levels(path):
    group = zarr.open_group(str(path), mode="r")
    datasets = group.attrs["ome"]["multiscales"][0]["datasets"]
    return [np.asarray(group[entry["path"]][...]) for entry in datasets]


SHAPE = (18, 140, 1100)


@pytest.fixture(scope="module")
def volume():
    return np.random.default_rng(0).integers(0, 200, SHAPE).astype(np.uint8)


@pytest.mark.parametrize("order", [1, -1])
def test_maps_are_averaged_and_labels_thinned_out(tmp_path, volume, order):
    content = Content("maps", "uint8", "a", (0.1, 0.1, 0.1))
    block = (8, 64, 512)
    layout = written(tmp_path / "m.zarr", volume, "ZYX", content, block, order=order)
    assert layout.factors == ((1, 1, 1), (2, 2, 2), (4, 4, 4))
    found = levels(tmp_path / "m.zarr")
    assert [level.shape for level in found] == [
        (18, 140, 1100), (9, 70, 550), (5, 35, 275),
    ]  # fmt: skip
    np.testing.assert_array_equal(found[0], volume)
    fine = volume.astype(np.float32)
    mean = fine.reshape(9, 2, 70, 2, 550, 2).mean((1, 3, 5))
    assert np.abs(found[1] - mean).max() <= 0.5
    last = found[1][8:, 68:, 548:].astype(float).mean()  # the ninth slice stands alone
    assert abs(found[2][4, 34, 274] - last) <= 0.5
    content = Content("labels", "uint8", "a", (0.1, 0.1, 0.1), classes=CLASSES)
    written(tmp_path / "l.zarr", volume, "ZYX", content, block, order=order)
    found = levels(tmp_path / "l.zarr")
    np.testing.assert_array_equal(found[1], volume[::2, ::2, ::2])
    np.testing.assert_array_equal(found[2], volume[::4, ::4, ::4])


def test_each_block_is_a_file_of_its_own_at_each_level(tmp_path, volume):
    """So that two processes never write one file."""
    content = Content("maps", "uint8", "a")
    layout = plan_layout("ZYX", (), SHAPE, (8, 64, 512), None)
    create_pyramid(tmp_path / "a.zarr", layout, content)
    grid = BlockGrid((), SHAPE, layout.block)
    files, seen = set(), set()
    for number in range(grid.n_blocks):
        box = grid[number].box
        writer = PyramidWriter(tmp_path / "a.zarr", layout, "maps")
        writer.write((), box, volume[box])
        times = {
            path: path.stat().st_mtime_ns
            for path in (tmp_path / "a.zarr").rglob("*")
            if path.is_file()
        }
        new = set(times.items()) - files
        paths = {path for path, _ in new}
        assert not paths & seen
        seen |= paths
        files |= new
        if number:
            assert len(new) == len(layout.factors)


def test_slices_are_kept_until_they_are_as_thick_as_pixels():
    layout = plan_layout(
        "ZYX", (), (64, 4096, 4096), (16, 2048, 2048), (0.04, 0.01, 0.01)
    )
    assert layout.factors == ((1, 1, 1), (1, 2, 2), (1, 4, 4), (2, 8, 8))
    assert layout.chunk == (16, 64, 64)
    flat = plan_layout("YX", (), (1, 4096, 4096), (8, 2048, 2048), None)
    assert flat.block == (1, 2048, 2048)
    assert flat.chunk == (1, 512, 512)
    assert [factor[0] for factor in flat.factors] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("YX", (600, 700)), ("ZYX", (20, 60, 530)), ("TZYX", (2, 5, 60, 600))],
)
def test_is_valid_ome_zarr_and_read_again(tmp_path, axes, shape):
    values = np.random.default_rng(0).choice(np.uint8([0, 7]), shape)
    size = (0.5, 0.2, 0.1)[-len(axes.replace("T", "")) :]
    content = Content("labels", "uint8", "cells", size, classes=CLASSES)
    path = tmp_path / "l.zarr"
    written(path, values, axes, content, (16, 256, 256))
    OmeImage.from_zarr(zarr.open_group(str(path), mode="r"))
    ImageLabel.from_zarr(zarr.open_group(str(path), mode="r"))
    found = read_labels(path)
    assert (found.axes, found.voxel_size, found.classes) == (axes, size, CLASSES)
    np.testing.assert_array_equal(found.array[...], values)


def test_maps_have_names_and_any_type(tmp_path):
    values = np.random.default_rng(0).random((3, 2, 4, 40, 1040)).astype(np.float32)
    names = ("a", "b")
    content = Content("maps", "float32", "p", (1, 1, 1), channel_names=names)
    written(tmp_path / "p.zarr", values, "TCZYX", content, (4, 32, 512))
    OmeImage.from_zarr(zarr.open_group(str(tmp_path / "p.zarr"), mode="r"))
    found = read_image(tmp_path / "p.zarr")
    assert (found.axes, found.channel_names) == ("TCZYX", names)
    np.testing.assert_array_equal(found.array[...], values)
    mean = values.reshape(3, 2, 2, 2, 20, 2, 520, 2).mean((3, 5, 7))
    np.testing.assert_allclose(levels(tmp_path / "p.zarr")[1], mean, rtol=1e-5)


def test_levels_say_where_their_voxels_lie(tmp_path):
    content = Content("maps", "uint8", "a", (0.4, 0.2, 0.2), origin=(0, 1, 2))
    layout = plan_layout("ZYX", (), (8, 1200, 1200), (8, 512, 512), (0.4, 0.2, 0.2))
    create_pyramid(tmp_path / "a.zarr", layout, content)
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")
    datasets = group.attrs["ome"]["multiscales"][0]["datasets"]
    entries = [entry["coordinateTransformations"] for entry in datasets]
    assert [scale["scale"] for scale, _ in entries] == [
        pytest.approx(size)
        for size in ([0.4, 0.2, 0.2], [0.4, 0.4, 0.4], [0.8, 0.8, 0.8])
    ]
    assert [place["translation"] for _, place in entries] == [
        pytest.approx(place) for place in ([0, 1, 2], [0, 1.1, 2.1], [0.2, 1.3, 2.3])
    ]
