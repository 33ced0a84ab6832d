"""Samples of one image that overlap: no voxel is trained on and held out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.helpers import index_dataset

from napari_segtrain.config import AutoValidation, HandValidation
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.overlaps import groups_of
from napari_segtrain.data.restricted import restrict
from napari_segtrain.data.split_plan import plan_split
from napari_segtrain.data.storage import read_samples, write_samples
from napari_segtrain.errors import DataError
from napari_segtrain.image import Image, LabelImage

SHAPE = (8, 200, 220)


def boxes_of(*starts, shape=(6, 120, 130), number=0, margin=(2, 20, 20)):
    """Samples of one volume, each with labels in a box that begins at a voxel."""
    rng = np.random.default_rng(0)
    image = Image(rng.integers(0, 255, SHAPE).astype(np.uint8), "ZYX", name="volume")
    samples = []
    for n, start in enumerate(starts):
        labels = LabelImage(rng.integers(1, 3, shape).astype(np.uint8), name=f"{n}")
        offset = dict(zip("ZYX", start, strict=True))
        samples.append(
            restrict(image, labels, offset=offset, margin=margin, number=number)
        )
    return samples


def split_of(dataset, config=None):
    pairs, _, targets, indices = index_dataset(dataset)
    split = plan_split(
        pairs, indices, config or AutoValidation(), np.random.default_rng(0)
    )
    return split, pairs, targets


def labelled_voxels(regions, pairs, targets):
    """Voxels of the image in which labels of some regions count."""
    found = np.zeros(SHAPE, bool)
    for region in regions:
        origin = pairs[region.pair].place.origin
        where = np.argwhere(targets[region.pair].read(region.box) != 255)
        first = [origin[a] + n for a, n in zip("ZYX", region.start, strict=True)]
        found[tuple((where + first).T)] = True
    return found


starts = st.tuples(st.integers(0, 2), st.integers(0, 80), st.integers(0, 90))


@settings(max_examples=25, deadline=None)
@given(st.lists(starts, min_size=2, max_size=6))
def test_no_voxel_is_trained_on_and_held_out(found):
    split, pairs, targets = split_of(Dataset(tuple(boxes_of(*found))))
    kept = labelled_voxels(split.training, pairs, targets)
    held = labelled_voxels(split.validation, pairs, targets)
    assert kept.any()
    assert not (kept & held).any()


def test_the_same_labels_twice_still_hold_some_out():
    split, pairs, targets = split_of(Dataset(tuple(boxes_of(*[(0, 0, 0)] * 5))))
    assert split.validation
    kept = labelled_voxels(split.training, pairs, targets)
    held = labelled_voxels(split.validation, pairs, targets)
    assert kept.sum() >= 4 * held.sum()
    assert not (kept & held).any()


def test_groups_are_those_that_overlap():
    near, far = (0, 0, 0), (0, 0, 90)
    small = boxes_of(near, far, (0, 60, 50), (0, 110, 120), shape=(6, 70, 80))
    pairs = Dataset((*small, *boxes_of(near, number=1))).pairs()
    assert groups_of(pairs) == [0, 0, 0, 0, 1]
    pairs = Dataset(tuple(boxes_of(near, far, shape=(6, 70, 80)))).pairs()
    assert groups_of(pairs) == [0, 1]


def test_times_that_differ_do_not_overlap():
    image = Image(np.zeros((3, 40, 40), np.uint8), "TYX")
    labels = LabelImage(np.ones((1, 40, 40), np.uint8), "TYX")
    samples = [restrict(image, labels, offset={"T": t}, number=0) for t in (0, 2, 2)]
    assert groups_of(Dataset(tuple(samples)).pairs()) == [0, 1, 1]


def test_nothing_is_left_beside_what_is_held_out_by_hand():
    with pytest.raises(DataError, match="leaves nothing to train on"):
        split_of(
            Dataset(tuple(boxes_of((0, 0, 0), (0, 0, 0)))),
            HandValidation(names=("volume",)),
        )


def test_the_place_is_stored_with_the_samples(tmp_path):
    dataset = Dataset(tuple(boxes_of((1, 5, 6), (2, 9, 9))))
    write_samples(tmp_path / "data", dataset)
    back = read_samples(tmp_path / "data")
    assert [s.place for s in back.samples] == [s.place for s in dataset.samples]
    assert split_of(back)[0] == split_of(dataset)[0]
