from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage import measure
from skimage.morphology import local_minima, reconstruction

from napari_segtrain.config.separation import SeparationConfig
from napari_segtrain.objects.linking import link_slices
from napari_segtrain.objects.separation import select_objects, separate_objects

MASKS = hnp.arrays(bool, (3, 7, 8))


def separate(values, spacing=(1.0, 1.0, 1.0), **settings):
    config = SeparationConfig.model_validate(settings)
    return separate_objects(np.asarray(values), config, spacing=spacing)


def balls(*centers, radius, shape=(1, 60, 90), spacing=(1, 1, 1)):
    grid = np.ogrid[tuple(slice(n) for n in shape)]
    mask = np.zeros(shape, bool)
    for center in centers:
        far = sum(
            ((g - c) * s) ** 2 for g, c, s in zip(grid, center, spacing, strict=True)
        )
        mask |= far <= radius**2
    return mask


def same_partition(first, second):
    """Whether two label images are equal but for the ids."""
    pairs = {*zip(first.ravel().tolist(), second.ravel().tolist(), strict=True)}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@given(MASKS, st.booleans())
def test_components_are_those_of_scikit_image(mask, corners):
    found = separate(
        mask, method={"kind": "components", "corners": corners}, fill_holes=False
    )
    expected = measure.label(mask, connectivity=3 if corners else 1)
    assert same_partition(found, expected)
    assert found.max() == expected.max()


@given(MASKS)
def test_ids_follow_the_first_voxels_without_gaps(mask):
    found = separate(mask, fill_holes=False, min_voxels=2)
    ids = [i for i in found.ravel().tolist() if i]
    assert list(dict.fromkeys(ids)) == list(range(1, len(set(ids)) + 1))


def test_touching_balls_are_cut_at_their_neck():
    mask = balls((0, 30, 30), (0, 30, 52), radius=13)
    assert separate(mask).max() == 1
    cut = separate(mask, method="distances")
    assert cut.max() == 2
    assert ((cut > 0) == mask).all()
    halves = [np.argwhere(cut == i)[:, 2] for i in (1, 2)]
    assert halves[0].max() <= 41 <= halves[1].min() + 1
    assert separate(mask, method={"kind": "distances", "prominence": 8}).max() == 1


def test_distances_honor_the_voxel_size():
    spacing = (4.0, 1.0, 1.0)
    centers = (4, 20, 20), (9, 20, 20)
    mask = balls(*centers, radius=12, shape=(14, 40, 40), spacing=spacing)
    method = {"kind": "distances", "prominence": 1}
    assert separate(mask, spacing, method=method).max() == 2
    assert separate(mask, (0.4, 0.1, 0.1), method=method).max() == 2, "any unit"


def test_balls_of_the_whole_image_are_one_object():
    for method in ("components", "distances", "erosion"):
        assert (separate(np.ones((3, 5, 6), bool), method=method) == 1).all()


def membranes(shape=(1, 60, 80)):
    """Walls between cells, one of them faint."""
    walls = np.zeros(shape)
    walls[:, :, 25] = walls[:, 30] = 1.0
    walls[:, 40, 26:] = 0.35
    return ndimage.gaussian_filter(walls, (0, 1.5, 1.5)) / 0.27


def test_cells_are_what_membranes_enclose():
    values = np.clip(membranes(), 0, 1)
    found = separate(values, method={"kind": "membranes", "smoothing": 0})
    places = (10, 10), (10, 60), (50, 10), (34, 60), (55, 60)
    cells = [found[0, y, x] for y, x in places]
    assert len(set(cells)) == 5
    assert 0 not in cells
    method = {"kind": "membranes", "smoothing": 0, "h_minima": 0.5}
    coarse = separate(values, method=method)
    assert coarse[0, 34, 60] == coarse[0, 55, 60]
    assert (found[values >= 0.8] == 0).all()


@given(hnp.arrays(np.uint8, (1, 9, 10), elements=st.integers(0, 255)))
def test_cells_are_as_many_as_minima_of_some_depth(values):
    """The rule of CDeep3M: H-minima are the seeds of the watershed."""
    method = {"kind": "membranes", "smoothing": 0, "limit": 0.9, "h_minima": 0.25}
    found = separate(values, method=method, fill_holes=False)
    shares = values.astype(np.float32) / np.float32(255)
    height = -np.rint((1 - shares[0]) * 4096).astype(int)
    height[shares[0] >= 0.9] = 20_000
    walled = np.pad(height, 1, constant_values=20_000)
    faces = ndimage.generate_binary_structure(2, 1)
    # What is 1024 deep or more is deeper than 1023.
    filled = reconstruction(walled + 1023, walled, method="erosion", footprint=faces)
    minima = local_minima(filled, connectivity=1) & (filled < 10_000)
    assert found.max() == measure.label(minima, connectivity=1).max()


def test_erosion_parts_what_thin_bridges_connect():
    mask = np.zeros((1, 20, 40), bool)
    mask[:, 4:16, 4:16] = mask[:, 4:16, 24:36] = mask[:, 9:11, 16:24] = True
    assert separate(mask).max() == 1
    found = separate(mask, method={"kind": "erosion", "width": 5})
    assert found.max() == 2
    assert (found[:, 4:16, 4:16] == 1).all()
    assert (found[:, 4:16, 24:36] == 2).all()
    assert not found[~mask].any()


def test_slices_and_links():
    mask = np.zeros((4, 12, 12), bool)
    mask[0:2, 2:6, 2:6] = mask[2:4, 7:11, 7:11] = True
    assert separate(mask).max() == 2
    assert separate(mask, mode="slices").max() == 4
    linked = separate(mask, mode="linked-slices")
    assert linked.max() == 2
    assert linked[0, 3, 3] == linked[1, 3, 3]
    far = np.zeros((2, 12, 12), bool)
    far[0, 2:6, 2:6] = far[1, 4:8, 4:8] = True
    assert separate(far, mode="linked-slices", link_overlap=0.5).max() == 2
    assert separate(far, mode="linked-slices", link_overlap=0.1).max() == 1


def test_an_object_goes_on_in_one_object_only():
    ids = np.zeros((2, 1, 10), int)
    ids[0, 0] = 1
    ids[1, 0, :6], ids[1, 0, 6:] = 2, 3
    linked = link_slices(ids, 0.2)
    assert linked[1, 0, 0] == linked[0, 0, 0]
    assert linked[1, 0, 9] != linked[0, 0, 0]
    assert link_slices(np.zeros((0, 3, 3), int), 0.2).shape == (0, 3, 3)


@given(hnp.arrays(np.uint8, (4, 4, 5), elements=st.integers(0, 3)))
def test_links_keep_the_background_and_join_no_slice_in_itself(labels):
    labels = labels + (10 * np.arange(4)[:, None, None] * (labels > 0)).astype(np.uint8)
    linked = link_slices(labels, 0.2)
    assert ((linked > 0) == (labels > 0)).all()
    for z in range(4):
        assert same_partition(linked[z], labels[z])
    assert set(np.unique(linked)) - {0} == set(range(1, linked.max() + 1))


@given(hnp.arrays(np.uint8, (3, 5, 6), elements=st.integers(0, 6)), st.integers(0, 9))
def test_selection_by_size_and_border(labels, least):
    sizes = {i: (labels == i).sum() for i in np.unique(labels) if i}
    found = select_objects(labels, min_voxels=least, max_voxels=least + 8)
    kept = {i for i, n in sizes.items() if least <= n <= least + 8}
    assert same_partition(found, np.where(np.isin(labels, [*kept]), labels, 0))
    inner = select_objects(labels, drop_border=True)
    faces = [labels.take(at, axis) for axis in range(3) for at in (0, -1)]
    outer = np.unique(np.concatenate([face.ravel() for face in faces]))
    expected = np.where(np.isin(labels, outer), 0, labels)
    assert same_partition(inner, expected)
    sides = select_objects(labels, drop_border=True, in_slices=True)
    assert (sides > 0).sum() >= (inner > 0).sum()


def test_flat_images_have_no_border_above_and_below():
    mask = balls((0, 30, 40), radius=9)
    assert separate(mask, drop_border=True).max() == 1
    thick = np.repeat(mask, 3, axis=0)
    assert separate(thick, drop_border=True).max() == 0
    assert separate(thick, drop_border=True, mode="slices").max() == 3


def test_holes_and_rough_outlines():
    mask = balls((0, 30, 40), radius=15)
    mask[0, 30, 40] = False
    assert separate(mask)[0, 30, 40] == 1
    assert separate(mask, fill_holes=False)[0, 30, 40] == 0
    rough = mask.copy()
    rough[0, 30, 56:62] = True
    smooth = separate(rough, smoothing=2)
    assert smooth[0, 30, 61] == 0
    assert smooth[0, 30, 45] == 1


def test_probabilities_of_all_kinds_are_the_same():
    values = ndimage.gaussian_filter(np.random.default_rng(0).random((3, 30, 30)), 2)
    values = (values - values.min()) / np.ptp(values)
    whole = np.rint(values * 255).astype(np.uint8)
    assert (separate(whole) == separate(whole / 255)).all()
    assert (separate(whole > 127) == separate(whole)).all()
    assert separate(whole, threshold=0.7).astype(bool).sum() < (whole > 127).sum()


def test_other_values_are_refused():
    with pytest.raises(ValueError, match="three axes"):
        separate(np.zeros((4, 4), bool))
    with pytest.raises(ValueError, match="from 0 to 1, not from 0 to 3"):
        separate(np.array([[[0.0, 3.0]]]))
    with pytest.raises(ValueError, match="from 0 to 1"):
        separate(np.array([[[0.0, np.nan]]]))


def test_nothing_gives_nothing():
    for method in ("components", "distances", "membranes", "erosion"):
        values = np.ones((2, 4, 4)) if method == "membranes" else np.zeros((2, 4, 4))
        assert not separate(values, method=method).any()
