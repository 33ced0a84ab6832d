from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.helpers import RecordingArray

from napari_segtrain.config import ExperimentConfig, parse_experiment
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.data.label_facts import inspect_labels
from napari_segtrain.data.restricted import RegionMask, restrict
from napari_segtrain.errors import DataError
from napari_segtrain.image import OUTSIDE, Image, LabelImage
from napari_segtrain.training.defaults import foreground_share

LETTERS = "TZYX"
KINDS = ["u1", "i1", "u2", "i2", "u4", "i4", "i8", "u8", "f4", "?"]


def brute_force(image, labels, offset, region):
    """Label of every voxel of the image, by the definition, and where any counts."""
    axes = image.axes.replace("C", "")
    sizes = dict(zip(image.axes, image.array.shape, strict=True))
    lengths = dict(zip(labels.axes, labels.array.shape, strict=True))
    values = np.full([sizes[a] for a in axes], OUTSIDE, np.int64)
    for place in np.ndindex(*values.shape):
        at = dict(zip(axes, place, strict=True))
        local = {a: at[a] - offset.get(a, 0) for a in axes}
        reached = all(0 <= local[a] < lengths.get(a, 1) for a in axes)
        if reached and (region is None or counts(region, at)):
            values[place] = int(labels.array[tuple(local[a] for a in labels.axes)])
    return values


def counts(region, at):
    plane = region.planes.get(tuple(at[a] for a in region.axes))
    y, x = at["Y"] - region.origin[0], at["X"] - region.origin[1]
    if plane is None or y < 0 or x < 0 or y >= plane.shape[0] or x >= plane.shape[1]:
        return False
    return bool(plane[y, x])


@st.composite
def cases(draw):
    axes = draw(st.permutations(draw(st.sampled_from(["YX", "ZYX", "TYX", "TCZYX"]))))
    axes = "".join(axes)
    sizes = {a: draw(st.integers(1, 5)) for a in axes}
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    shape = [sizes[a] for a in axes]
    pixels = np.arange(np.prod(shape)).reshape(shape)
    image = Image(pixels, axes, (1.0,) * sum(a in "ZYX" for a in axes))
    own = [a for a in axes if a in "YX" or (a in "TZ" and draw(st.booleans()))]
    own = draw(st.permutations(own))
    shape = [draw(st.integers(1, 6)) for _ in own]
    dtype = draw(st.sampled_from(KINDS))
    labels = LabelImage(rng.integers(0, 3, shape).astype(dtype), "".join(own))
    spatial = axes.replace("C", "")
    offset = {a: draw(st.integers(-2, 4)) for a in spatial}
    return image, labels, offset, draw(st.none() | regions(spatial, sizes))


@st.composite
def regions(draw, axes, sizes):
    letters = "".join(a for a in axes if a in "TZ" and draw(st.booleans()))
    letters = "".join(draw(st.permutations(letters)))
    shape = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    origin = draw(st.integers(-2, 3)), draw(st.integers(-2, 3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    everywhere = itertools.product(*(range(sizes[a]) for a in letters))
    planes = {
        index: rng.random(shape) < 0.5 for index in everywhere if draw(st.booleans())
    }
    return RegionMask(planes, letters, origin)


@settings(max_examples=500, deadline=None)
@given(cases(), st.tuples(*[st.integers(0, 2)] * 3))
def test_restricted_samples_are_what_the_definition_says(case, margin):
    image, labels, offset, region = case
    expected = brute_force(image, labels, offset, region)
    try:
        sample = restrict(image, labels, offset=offset, region=region, margin=margin)
    except DataError:
        assert (expected == OUTSIDE).all()
        return
    axes = image.axes.replace("C", "")
    got = np.asarray(sample.labels.array[...]).astype(np.int64)
    letters = sample.labels.axes
    got = got.transpose([letters.index(a) for a in axes])
    box = place_of(np.asarray(sample.image.array[...]), image)
    inner = tuple(box[a] for a in axes)
    np.testing.assert_array_equal(got, expected[inner])
    expected[inner] = OUTSIDE
    assert (expected == OUTSIDE).all()
    Dataset((sample,))
    assert sample.image.voxel_size == image.voxel_size


def place_of(cropped, image):
    """Where a cropped image lies: every voxel has a value of its own."""
    start = np.argwhere(image.array == cropped.ravel()[0])[0]
    ends = zip(start, start + cropped.shape, strict=True)
    key = tuple(slice(int(a), int(b)) for a, b in ends)
    np.testing.assert_array_equal(cropped, image.array[key])
    return dict(zip(image.axes, key, strict=True))


def test_labels_of_a_box_and_a_margin():
    pixels = np.arange(20 * 30).reshape(20, 30)
    labels = LabelImage(np.ones((4, 5), np.uint8), "YX", name="strokes")
    offset = {"Y": 8, "X": 1}
    sample = restrict(Image(pixels, "YX"), labels, offset=offset, margin=(9, 3, 2))
    np.testing.assert_array_equal(sample.image.array[...], pixels[5:15, 0:8])
    values = sample.labels.array[...]
    assert (values[3:7, 1:6] == 1).all()
    assert (values != OUTSIDE).sum() == 20
    (whole,) = sample.wholes
    np.testing.assert_array_equal(whole.read()[0, 0], pixels)


def test_labels_of_one_frame_of_a_movie():
    movie = np.arange(4 * 2 * 6 * 6).reshape(4, 2, 6, 6).astype(np.uint16)
    labels = LabelImage(np.ones((6, 6), np.uint8), "YX")
    sample = restrict(Image(movie, "TCYX"), labels, offset={"T": 2})
    assert (sample.image.axes, sample.labels.axes) == ("TCYX", "TYX")
    np.testing.assert_array_equal(sample.image.array[...], movie[2:3])
    assert sample.labels.array[...].tolist() == np.ones((1, 6, 6)).tolist()
    assert sample.wholes == ()


def test_labels_of_one_slice_of_a_volume_have_context_around_it():
    volume = np.zeros((9, 6, 6), np.uint8)
    labels = LabelImage(np.ones((6, 6), np.uint8), "YX")
    sample = restrict(Image(volume, "ZYX"), labels, offset={"Z": 7}, margin=(3, 0, 0))
    counted = [bool((plane != OUTSIDE).all()) for plane in sample.labels.array[...]]
    assert counted == [False, False, False, True, False]


def test_where_labels_without_an_axis_lie_must_be_said():
    movie = Image(np.zeros((4, 6, 6), np.uint8), "TYX")
    with pytest.raises(ValueError, match="along T is not given"):
        restrict(movie, LabelImage(np.ones((6, 6), int)), offset={})


def test_labels_of_the_whole_image_stay_as_they_are():
    image = Image(np.zeros((6, 5), np.uint8), "YX")
    labels = LabelImage(np.ones((5, 6), np.uint8), "XY")
    sample = restrict(image, labels, offset={}, margin=(1, 1, 1))
    assert sample.image is image
    assert sample.labels is labels


@pytest.mark.parametrize(
    ("offset", "region", "words"),
    [
        ({"X": 30}, None, "no voxel in common: along X the labels cover 30 to 34"),
        ({}, RegionMask({(): np.zeros((9, 9), bool)}), "region holds no voxel"),
        ({}, RegionMask({(): np.ones((9, 9), bool)}, "", (40, 0)), "holds no voxel"),
        ({}, RegionMask({(0,): np.ones((9, 9), bool)}, "Z"), "along Z, an axis that"),
    ],
)
def test_what_has_nothing_in_common_is_refused(offset, region, words):
    image = Image(np.zeros((20, 30), np.uint8), "YX")
    labels = LabelImage(np.ones((5, 5), np.uint8), "YX")
    with pytest.raises(DataError, match=words):
        restrict(image, labels, offset=offset, region=region)


def test_labels_with_an_axis_that_the_image_lacks_are_refused():
    labels = LabelImage(np.ones((3, 5, 5), np.uint8), "ZYX")
    with pytest.raises(DataError, match="have an axis Z"):
        restrict(Image(np.zeros((5, 5), np.uint8)), labels, offset={})


@pytest.mark.parametrize("value", [OUTSIDE, 2**64 - 1])
def test_a_value_that_cannot_be_told_apart_is_refused(value):
    kind = np.int16 if value < 0 else np.uint64
    labels = LabelImage(np.full((5, 5), value, kind), "YX", name="mask")
    image = Image(np.zeros((9, 9), np.uint8))
    sample = restrict(image, labels, offset={"Y": 1})
    with pytest.raises(DataError, match=rf"mask hold the value {value}"):
        sample.labels.array[...]


@pytest.mark.parametrize(
    "settings",
    [
        {"planes": {(): np.ones((2, 2))}},
        {"planes": {(1,): np.ones((2, 2), bool)}},
        {"planes": {(): np.ones((2, 2), bool)}, "axes": "C"},
    ],
)
def test_planes_that_make_no_sense(settings):
    with pytest.raises(ValueError, match=r"plane|index"):
        RegionMask(**settings)


def test_nothing_is_read_before_it_is_needed():
    pixels = RecordingArray(shape=(100, 60_000, 60_000))
    values = RecordingArray(shape=(50_000, 50_000))
    plane = np.zeros((40, 50), bool)
    plane[3:30, 4:40] = True
    sample = restrict(
        Image(pixels, "ZYX"),
        LabelImage(values, "YX"),
        offset={"Z": 40, "Y": 1000, "X": 1000},
        region=RegionMask({(40,): plane}, "Z", (30_000, 30_000)),
        margin=(2, 10, 10),
    )
    assert (pixels.reads, values.reads) == ([], [])
    assert sample.image.array.shape == (5, 47, 56)
    (item,) = sample.labels.items()
    inspect_labels(item)
    assert sum(values.reads) == 27 * 36


def disks(shape):
    rng = np.random.default_rng(0)
    labels = np.zeros(shape, np.uint8)
    for _ in range(30):
        y, x = rng.integers(0, shape[-2]), rng.integers(0, shape[-1])
        labels[..., y : y + 9, x : x + 9] = 1
    return (100 * labels + rng.integers(0, 90, shape)).astype(np.uint8), labels


def facts_of_region(zero, **data):
    """A volume with labels on slices 2 and 4, 255 on slice 3, in the left half."""
    pixels, labels = disks((8, 64, 64))
    labels[[0, 1, 5, 6, 7]] = 0
    labels[3] = 255
    plane = np.zeros((64, 64), bool)
    plane[:, :32] = True
    sample = restrict(
        Image(pixels, "ZYX"),
        LabelImage(labels, "ZYX"),
        offset={},
        region=RegionMask({(): plane}),
        margin=(0, 4, 4),
    )
    config = parse_experiment(
        {"data": {"zero": zero, "ignore": [255], **data}}, source="x"
    )
    return gather_facts(Dataset((sample,)), config), labels[:, :, :32]


@pytest.mark.parametrize(
    ("zero", "slices"),
    [("dense", [0, 1, 2, 4, 5, 6, 7]), ("painted-slices", [2, 4])],
)
def test_what_is_outside_counts_nowhere(zero, slices):
    facts, kept = facts_of_region(zero)
    assert np.flatnonzero(facts.used[0]).tolist() == slices
    assert facts.class_voxels == tuple(np.bincount(kept[slices].ravel())[:2])
    assert [row.n_voxels for row in facts.classes.classes] == list(facts.class_voxels)
    assert OUTSIDE not in {row.value for row in facts.classes.rows}


def test_objects_do_not_begin_outside():
    facts, kept = facts_of_region("dense", target="instances")
    assert sum(facts.class_voxels) == (kept != 255).sum()


def test_an_image_normalized_by_itself_is_measured_as_a_whole():
    pixels, labels = disks((64, 64))
    pixels[:, 32:] = 200
    offset = {"Y": 0, "X": 0}
    config = parse_experiment({"normalization": {"scope": "image"}}, source="x")
    part = restrict(
        Image(pixels, "YX"), LabelImage(labels[:, :32], "YX"), offset=offset
    )
    whole = restrict(Image(pixels, "YX"), LabelImage(labels, "YX"), offset=offset)
    assert (
        gather_facts(Dataset((part,)), config).intensities
        == gather_facts(Dataset((whole,)), config).intensities
    )


def test_the_rest_of_an_image_changes_nothing_of_a_training_set():
    pixels, labels = disks((64, 64))
    plane = np.zeros((64, 64), bool)
    plane[:40, :40] = True

    def facts(pixels, labels):
        sample = restrict(
            Image(pixels, "YX"),
            LabelImage(labels, "YX"),
            offset={},
            region=RegionMask({(): plane}),
        )
        return gather_facts(Dataset((sample,)), ExperimentConfig())

    before = facts(pixels.copy(), labels.copy())
    pixels[40:] = 7
    labels[40:] = 3
    assert facts(pixels, labels) == before


def covered(*slices):
    """Volume with labels 0 and 1 in a small box of some slices, and context."""
    pixels, labels = disks((20, 64, 64))
    plane = np.zeros((64, 64), bool)
    plane[20:40, 20:40] = True
    return restrict(
        Image(pixels, "ZYX"),
        LabelImage(labels, "ZYX"),
        offset={},
        region=RegionMask({(z,): plane for z in slices}, "Z"),
        margin=(3, 20, 20),
    )


@pytest.mark.parametrize("slices", [range(8, 14), (2, 9, 10, 17)])
def test_slices_that_labels_do_not_reach_do_not_speak_of_0(slices):
    facts = gather_facts(Dataset((covered(*slices),)), ExperimentConfig())
    assert facts.classes.zero == "dense"
    assert facts.n_used_slices == len(slices)
    assert facts.n_covered == sum(facts.class_voxels) == 400 * len(slices)


def test_dense_labels_of_a_small_box_are_not_sparse():
    config = ExperimentConfig()
    facts = gather_facts(Dataset((covered(8, 10, 11),)), config)
    assert foreground_share(config.sampling, facts) == 0.5
