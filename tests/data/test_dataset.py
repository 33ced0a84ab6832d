from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segtrain.data.dataset import Dataset, Sample
from napari_segtrain.data.files import make_sample
from napari_segtrain.errors import DataError
from napari_segtrain.image import Image, LabelImage


def sample(shape=(8, 9), axes="", name="cells", labels=None, **image):
    label_axes = axes.replace("C", "")
    if labels is None:
        sizes = zip(axes or "ZYX"[-len(shape) :], shape, strict=True)
        labels = np.zeros([size for axis, size in sizes if axis != "C"], np.uint8)
    return Sample(
        Image(np.zeros(shape), axes, name=name, **image),
        LabelImage(labels, label_axes, name=name),
    )


def test_there_must_be_a_sample():
    with pytest.raises(DataError, match="at least one image with labels"):
        Dataset(())


def test_images_must_have_the_same_channels():
    with pytest.raises(DataError, match=r"number of channels: \[1, 3\]"):
        Dataset((sample(), sample((3, 8, 9), "CYX")))


@pytest.mark.parametrize(
    ("shape", "axes", "labels"),
    [
        ((8, 9), "YX", (9, 8)),
        ((5, 8, 9), "ZYX", (4, 8, 9)),
        ((5, 8, 9), "TYX", (6, 8, 9)),
    ],
)
def test_labels_of_another_size_are_refused_with_both_shapes(shape, axes, labels):
    wrong = sample(shape, axes, "cells_3", np.zeros(labels, np.uint8))
    with pytest.raises(DataError, match=r"labels.*cells_3.*--axes") as caught:
        Dataset((sample(shape, axes), wrong))
    assert str(shape) in str(caught.value)
    assert str(labels) in str(caught.value)


def test_labels_with_other_axes_are_refused():
    image, labels = np.zeros((5, 8, 9)), np.zeros((5, 8, 9), np.uint8)
    with pytest.raises(DataError, match=r"axes ZYX.*axes TYX"):
        Dataset((Sample(Image(image, "TYX"), LabelImage(labels, "ZYX")),))


def test_axes_may_come_in_another_order():
    labels = LabelImage(np.zeros((9, 8, 5), np.uint8), "XYZ")
    Dataset((Sample(Image(np.zeros((5, 2, 8, 9)), "ZCYX"), labels),))


def test_every_item_of_every_sample_is_a_pair():
    dataset = Dataset(
        (
            sample((2, 3, 8, 9), "TZYX", "movie"),
            sample((3, 8, 9), "ZYX", "volume"),
            sample((2, 3, 1, 8, 9), "STCYX", "plate"),
        )
    )
    pairs = dataset.pairs()
    assert [pair.name for pair in pairs] == [
        "movie T=0", "movie T=1", "volume", "plate S=0 T=0", "plate S=0 T=1",
        "plate S=0 T=2", "plate S=1 T=0", "plate S=1 T=1", "plate S=1 T=2",
    ]  # fmt: skip
    assert [pair.sample for pair in pairs] == [0, 0, 1, 2, 2, 2, 2, 2, 2]
    assert [pair.shape for pair in pairs] == [(3, 8, 9)] * 3 + [(1, 8, 9)] * 6


@given(st.permutations("TSYX"))
def test_image_and_labels_of_a_pair_are_the_same_item(letters):
    axes = "".join(letters)
    shape = tuple({"T": 3, "S": 2, "Y": 4, "X": 5}[axis] for axis in axes)
    values = np.arange(120).reshape(shape)
    dataset = Dataset((Sample(Image(values, axes), LabelImage(values, axes)),))
    for pair in dataset.pairs():
        np.testing.assert_array_equal(pair.image.read(), pair.labels.read())


def test_voxel_size_is_known_only_when_every_sample_has_one():
    first, second = sample(voxel_size=(1, 2)), sample(voxel_size=(1, 2))
    assert Dataset((first, second)).voxel_size == (1, 2)
    assert Dataset((first, sample())).voxel_size is None


def test_channel_names_are_those_of_the_first_image_that_has_any():
    named = sample((2, 8, 9), "CYX", channel_names=("actin", "dna"))
    dataset = Dataset((sample((2, 8, 9), "CYX"), named))
    assert dataset.channel_names == ("actin", "dna")
    assert dataset.n_channels == 2
    assert Dataset((sample(),)).channel_names == ()


class TestMakeSample:
    def test_labels_take_over_the_axes_of_an_image_of_the_same_size(self):
        image = Image(np.zeros((2, 5, 8, 9)), "CTYX", (1.0, 1.0))
        labels = LabelImage(np.zeros((5, 8, 9), np.uint8), "ZYX", (3.0, 1.0, 1.0))
        made = make_sample(image, labels)
        assert made.labels.axes == "TYX"
        assert made.labels.voxel_size is None
        Dataset((made,))

    def test_labels_of_another_size_keep_theirs(self):
        labels = LabelImage(np.zeros((9, 8), np.uint8), "YX")
        assert make_sample(Image(np.zeros((8, 9))), labels).labels is labels
