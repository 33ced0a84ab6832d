from __future__ import annotations

import numpy as np
import pytest
import tifffile
from scipy import ndimage
from skimage import draw

from napari_segtrain.data.samples import sample_dir
from napari_segtrain.data.strokes import look_drawn


def strokes(seed=0, n=30, radius=3, size=400, values=(1, 2)):
    """Bent lines of one brush."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), np.uint16)
    disk = draw.disk((radius, radius), radius + 0.5)
    for number in range(n):
        y, x, angle = *rng.uniform(20, size - 20, 2), rng.uniform(0, 6.3)
        for _ in range(int(rng.integers(12, 40))):
            angle += rng.normal(0, 0.1)
            y, x = y + 2 * np.sin(angle), x + 2 * np.cos(angle)
            rows, columns = int(y) + disk[0] - radius, int(x) + disk[1] - radius
            inside = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
            labels[rows[inside], columns[inside]] = values[number % len(values)]
    return labels


def cells(seed=0, n=60, size=400, width=4):
    """Thin membranes between cells, and the distance to them."""
    points = np.random.default_rng(seed).uniform(0, size, (n, 2))
    grid = np.indices((size, size))
    distances = np.sqrt(
        sum((g[..., None] - points[:, a]) ** 2 for a, g in enumerate(grid))
    )
    nearest = np.partition(distances, 1, axis=-1)
    return (nearest[..., 1] - nearest[..., 0] < width).astype(np.uint8)


def with_disks(labels, radius, value, n=30, seed=1):
    centers = np.random.default_rng(seed).uniform(0, len(labels), (n, 2))
    for center in centers:
        labels[draw.disk(center, radius, shape=labels.shape)] = value
    return labels


@pytest.mark.parametrize("kind", ["strokes", "label"])
def test_bundled_strokes_are_drawn_and_dense_labels_are_not(kind):
    for path in sorted((sample_dir("axons") / "train" / kind).iterdir()):
        assert look_drawn(tifffile.imread(path)) is (kind == "strokes")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("radius", [1, 3, 6])
def test_strokes_of_any_brush_are_drawn(seed, radius):
    labels = strokes(seed, radius=radius, n=12)
    assert look_drawn(labels)
    assert look_drawn(labels.astype(np.int64) * 1000)


def test_strokes_remain_strokes_when_turned_and_in_any_value():
    labels = strokes(values=(7, 3, 900), n=12)
    assert look_drawn(np.rot90(labels)[::-1])


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("radius", [1, 3, 6])
def test_membranes_with_small_structures_are_dense(width, radius):
    assert not look_drawn(with_disks(cells(width=width), radius, value=2))


def test_membranes_and_thin_structures_inside_the_cells_are_dense():
    labels = cells(width=4)
    fibers = (strokes(3, n=20, radius=1) > 0) & (ndimage.binary_dilation(labels) == 0)
    labels[fibers] = 2
    assert not look_drawn(labels)


def test_thin_fibers_and_thick_tubes_are_dense():
    tubes, fibers = strokes(1, n=5, radius=9, values=(1,)), strokes(2, n=15, radius=1)
    assert not look_drawn(np.where(tubes > 0, 1, 2 * (fibers > 0)))


def test_small_round_structures_are_dense():
    labels = np.zeros((300, 300), np.uint8)
    with_disks(labels, 4, 1)
    assert not look_drawn(with_disks(labels, 5, 2, seed=2))


def test_fibers_with_a_few_round_structures_are_dense():
    assert not look_drawn(with_disks(strokes(values=(1,)), 9, 2, n=8))


@pytest.mark.parametrize("value", [0, 1])
def test_empty_and_full_slices_are_not_drawn(value):
    assert not look_drawn(np.full((50, 50), value, np.uint8))


def test_a_slice_full_of_ids_is_not_drawn():
    assert not look_drawn(np.arange(2500, dtype=np.uint16).reshape(50, 50))
