from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.helpers import index_dataset, make_dataset

from napari_segtrain.config import (
    AutoValidation,
    DataConfig,
    FractionValidation,
    HandValidation,
    NoValidation,
)
from napari_segtrain.data.dataset import Dataset, Sample
from napari_segtrain.data.sampling import PatchSampler
from napari_segtrain.data.split import MIN_CLASS_VOXELS, Region
from napari_segtrain.data.split_plan import plan_split
from napari_segtrain.errors import DataError
from napari_segtrain.image import Image, LabelImage


def split_of(dataset, config=None, seed=0, data=None):
    pairs, _, _, indices = index_dataset(dataset, data)
    rng = np.random.default_rng(seed)
    return plan_split(pairs, indices, config or AutoValidation(), rng)


def speckles(shape, seed=0, share=0.3, n_classes=2):
    """Labels with every class everywhere."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(1, n_classes + 1, shape)
    return np.where(rng.random(shape) < share, classes, 0).astype(np.uint8)


def gap_between(a: Region, b: Region) -> int:
    """Voxels between two regions of the same space; below 0 when they overlap."""
    spans = zip(a.start, a.stop, b.start, b.stop, strict=True)
    return max(max(c - y, x - d) for x, y, c, d in spans)


def distance_in_time(pairs, a, b):
    return abs(pairs[a].image.index.get("T", 0) - pairs[b].image.index.get("T", 0))


def assert_apart(split, pairs):
    """No leak: another sample, a time point that is no neighbour, or a gap in space."""
    for held in split.validation:
        for kept in split.training:
            if pairs[held.pair].sample != pairs[kept.pair].sample:
                continue
            is_far = distance_in_time(pairs, held.pair, kept.pair) > 1
            assert is_far or gap_between(held, kept) >= 1


def voxels_of(regions, targets):
    """Labelled voxels per class."""
    n_classes = targets[0].classes.n_classes
    counts = np.zeros(256, int)
    for region in regions:
        block = targets[region.pair].read(region.box)
        counts += np.bincount(block.ravel(), minlength=256)
    return counts[:n_classes]


@st.composite
def datasets(draw):
    """Samples of random size with sparse, dense or sliced labels, also over time."""
    axes = draw(st.sampled_from(["YX", "ZYX", "TYX", "TZYX", "TSYX", "STYX"]))
    n_samples = draw(st.sampled_from([1, 1, 2, 3, 5]))
    seed = draw(st.integers(0, 99))
    plane = st.integers(90, 150) | st.integers(20, 40) | st.integers(4, 150)
    few, many = st.integers(1, 3), st.integers(1, 12) | st.integers(6, 12)
    sizes = {"T": many, "S": few, "Z": many, "Y": plane, "X": plane}
    share = draw(st.sampled_from([0.5, 0.95, 0.2, 0.01]))
    labels = []
    for number in range(n_samples):
        shape = tuple(draw(sizes[axis]) for axis in axes)
        values = speckles(shape, seed + number, share, draw(st.integers(1, 3)))
        if draw(st.integers(0, 4)) == 4:
            values[..., draw(st.integers(0, shape[-1])) :] = 0
        labels.append(values)
    return make_dataset(*labels, axes=axes)


@settings(max_examples=150)
@given(
    datasets(),
    st.sampled_from(["dense", "unlabelled", "painted-slices"]),
    st.sampled_from([0.1, 0.15, 0.25]),
    st.tuples(st.integers(1, 9), st.integers(1, 60), st.integers(1, 60)),
    st.integers(0, 3),
)
def test_no_training_patch_reaches_a_validation_region_or_its_gap(
    dataset, zero, fraction, patch_size, seed
):
    data = DataConfig(zero=zero, target="semantic")
    try:
        pairs, table, targets, indices = index_dataset(dataset, data)
        config = FractionValidation(fraction=fraction)
        split = plan_split(pairs, indices, config, np.random.default_rng(seed))
    except DataError:
        return
    assert split.validation
    assert_apart(split, pairs)
    held, kept = (voxels_of(r, targets) for r in (split.validation, split.training))
    present = voxels_of(
        [Region(n, (0, 0, 0), p.shape) for n, p in enumerate(pairs)], targets
    )
    assert (held[present > 0] >= MIN_CLASS_VOXELS).all()
    assert (kept[present > 0] >= MIN_CLASS_VOXELS).all()
    assert held.sum() < 0.5 * present.sum()
    sampler = PatchSampler(
        split.training, indices, patch_size,
        foreground=table.foreground, foreground_share=0.5,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    regions = {}
    for region in split.validation:
        regions.setdefault(region.pair, []).append(region)
    for _ in range(20):
        patch = sampler.draw(rng)
        start = tuple(part.start for part in patch.box)
        stop = tuple(part.stop for part in patch.box)
        box = Region(patch.pair, start, stop)
        assert all(gap_between(box, held) >= 1 for held in regions.get(patch.pair, []))
        assert all(pairs[patch.pair].shape[a] >= stop[a] > start[a] for a in range(3))


@settings(max_examples=30)
@given(datasets())
def test_automatic_validation_holds_out_or_says_why_not(dataset):
    try:
        split = split_of(dataset, data=DataConfig(zero="dense", target="semantic"))
    except DataError:
        return
    assert split.reason
    if not split.validation:
        shapes = [pair.shape for pair in dataset.pairs()]
        assert [region.shape for region in split.training] == shapes


def test_the_same_seed_gives_the_same_split():
    dataset = make_dataset(*[speckles((20, 20), seed) for seed in range(40)])
    splits = {seed: split_of(dataset, seed=seed) for seed in range(8)}
    for seed, split in splits.items():
        assert split_of(dataset, seed=seed) == split
    held = {tuple(r.pair for r in split.validation) for split in splits.values()}
    assert len(held) > 1


class TestSeveralSamples:
    def test_whole_samples_are_held_out(self):
        split = split_of(make_dataset(*[speckles((40, 40), n) for n in range(10)]))
        held = {region.pair for region in split.validation}
        assert 1 <= len(held) <= 2
        assert {region.pair for region in split.training} == set(range(10)) - held
        regions = split.training + split.validation
        assert all(region.shape == (1, 40, 40) for region in regions)

    @pytest.mark.parametrize(("fraction", "n_held"), [(0.1, 2), (0.2, 4), (0.25, 5)])
    def test_as_many_as_asked_for(self, fraction, n_held):
        dataset = make_dataset(*[speckles((40, 40), n) for n in range(20)])
        split = split_of(dataset, FractionValidation(fraction=fraction))
        assert len(split.validation) == n_held

    def test_a_class_in_few_samples_is_on_both_sides(self):
        labels = [speckles((40, 40), n, n_classes=1) for n in range(10)]
        for number in (3, 7):
            labels[number][:20] = 2
        split = split_of(make_dataset(*labels))
        held = {region.pair for region in split.validation}
        assert len(held & {3, 7}) == 1

    def test_of_two_samples_one_is_cut(self):
        dataset = make_dataset(speckles((200, 200), 0), speckles((100, 100), 1))
        split = split_of(dataset)
        assert {region.pair for region in split.validation} == {0}
        assert {region.pair for region in split.training} == {0, 1}
        assert_apart(split, dataset.pairs())

    def test_a_movie_among_them_is_cut_at_the_same_place_in_every_frame(self):
        dataset = make_dataset(
            speckles((8, 120, 120), 0), speckles((1, 120, 120), 1), axes="TYX"
        )
        split = split_of(dataset)
        assert len(split.validation) == 8
        assert_apart(split, dataset.pairs())


class TestOneSample:
    def test_the_end_of_a_stack_is_held_out_with_a_gap(self):
        split = split_of(make_dataset(speckles((30, 50, 50))))
        (held,), (kept,) = split.validation, split.training
        assert held.shape[1:] == kept.shape[1:] == (50, 50)
        assert 2 <= held.shape[0] <= 7
        assert gap_between(held, kept) >= 1
        assert "slices of sample 0" in split.reason

    def test_a_side_of_a_slice_is_held_out_with_a_gap(self):
        dataset = make_dataset(speckles((200, 300)))
        split = split_of(dataset, FractionValidation(fraction=0.2))
        (held,), (kept,) = split.validation, split.training
        assert held.n_voxels / 60_000 == pytest.approx(0.2, abs=0.02)
        assert gap_between(held, kept) >= 8

    def test_a_class_is_not_lost_in_the_gap(self):
        labels = speckles((60, 60, 60), n_classes=1)
        config = FractionValidation(fraction=0.2)
        split = split_of(make_dataset(labels), config)
        (held,), (kept,) = split.validation, split.training
        ends = sorted(
            z for region in (held, kept) for z in (region.start[0], region.stop[0])
        )
        labels[ends[1] : ends[2]] = 2
        with pytest.raises(DataError, match="every class on both sides"):
            split_of(make_dataset(labels), config)

    def test_painted_slices_far_apart_are_divided(self):
        labels = np.zeros((60, 64, 64), np.uint8)
        labels[[5, 25, 45, 55]] = speckles((4, 64, 64), share=0.5, n_classes=1)
        dataset = make_dataset(labels)
        _, table, targets, _ = index_dataset(dataset)
        split = split_of(dataset)
        assert table.zero == "painted-slices"
        (held,), (kept,) = split.validation, split.training
        assert any(targets[0].used[held.box[0]])
        assert any(targets[0].used[kept.box[0]])


class TestTimeSeries:
    def test_the_ends_of_a_movie_are_held_out_without_neighbours(self):
        dataset = make_dataset(speckles((12, 40, 40)), axes="TYX")
        split = split_of(dataset, FractionValidation(fraction=0.2))
        held = sorted(region.pair for region in split.validation)
        kept = sorted(region.pair for region in split.training)
        assert held in ([10, 11], [0, 1])
        assert len(kept) == 9
        assert_apart(split, dataset.pairs())

    @pytest.mark.parametrize("axes", ["TSYX", "STYX"])
    def test_all_positions_of_a_time_point_are_on_one_side(self, axes):
        shape = tuple({"T": 10, "S": 3}.get(axis, 40) for axis in axes)
        dataset = make_dataset(speckles(shape), axes=axes)
        split = split_of(dataset)
        pairs = dataset.pairs()
        times = [{pairs[r.pair].image.index["T"] for r in side}
                 for side in (split.validation, split.training)]  # fmt: skip
        assert min(abs(a - b) for a in times[0] for b in times[1]) == 2
        assert_apart(split, pairs)

    def test_few_time_points_are_cut_in_space(self):
        dataset = make_dataset(speckles((3, 150, 150)), axes="TYX")
        split = split_of(dataset)
        assert len(split.validation) == len(split.training) == 3
        assert_apart(split, dataset.pairs())


class TestTooFewLabels:
    labels = np.zeros((200, 200), np.uint8)
    labels[90:94, 90:100] = 1

    def test_nothing_is_held_out_automatically_and_it_is_said(self):
        split = split_of(make_dataset(self.labels))
        assert split.validation == ()
        assert [region.shape for region in split.training] == [(1, 200, 200)]
        assert "too few labels" in split.reason

    def test_a_share_that_was_asked_for_is_refused_with_a_remedy(self):
        with pytest.raises(DataError, match=r"share of 0\.2 .*too few.*Label more"):
            split_of(make_dataset(self.labels), FractionValidation(fraction=0.2))

    def test_samples_with_a_class_of_their_own_hold_out_nothing(self):
        labels = [np.zeros((40, 40), np.uint8) for _ in range(6)]
        for number, values in enumerate(labels, start=1):
            values[:20] = number
        split = split_of(make_dataset(*labels), data=DataConfig(target="semantic"))
        assert split.validation == ()


def named(*names, shape=(40, 40), axes="YX"):
    samples = [
        Sample(
            Image(np.ones(shape), axes, name=name),
            LabelImage(speckles(shape, number), axes, name=name),
        )
        for number, name in enumerate(names)
    ]
    return Dataset(tuple(samples))


class TestByHand:
    @pytest.mark.parametrize(
        ("names", "wanted", "held"),
        [
            (("a", "b", "c"), ("b",), {1}),
            (("a", "b", "c"), ("c", "a.tif"), {0, 2}),
            (("a.tif", "b.tif"), ("b",), {1}),
            (("s.1", "s.2", "s.3"), ("s.2",), {1}),
            (("my cells 1", "my cells 2"), ("my cells 2.ome.tif",), {1}),
        ],
    )
    def test_named_samples_are_held_out(self, names, wanted, held):
        split = split_of(named(*names), HandValidation(names=wanted))
        assert {region.pair for region in split.validation} == held
        assert {r.pair for r in split.training} == set(range(len(names))) - held

    def test_all_time_points_of_a_named_sample_are(self):
        dataset = named("my cells", "other cells", shape=(3, 40, 40), axes="TYX")
        split = split_of(dataset, HandValidation(names=("my cells",)))
        assert [region.pair for region in split.validation] == [0, 1, 2]
        assert [region.pair for region in split.training] == [3, 4, 5]

    def test_a_name_that_does_not_occur_is_refused(self):
        with pytest.raises(DataError, match=r"no sample d .*samples are a, b, c"):
            split_of(named("a", "b", "c"), HandValidation(names=("a", "d")))

    def test_something_must_remain(self):
        with pytest.raises(DataError, match="leaves nothing to train on"):
            split_of(named("a", "b"), HandValidation(names=("a", "b")))


def test_none_trains_on_everything():
    split = split_of(make_dataset(speckles((200, 200))), NoValidation())
    assert split.validation == ()
    assert split.training == (Region(0, (0, 0, 0), (1, 200, 200)),)
    assert "switched off" in split.reason
