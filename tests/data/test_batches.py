from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest
import torch
from tests.data.helpers import class_table, index_dataset, make_dataset

from napari_segtrain.config import AugmentationConfig
from napari_segtrain.config.presets import complete_augmentation
from napari_segtrain.data.batches import BatchSource, iter_batches
from napari_segtrain.data.intensity_map import IntensityMap
from napari_segtrain.data.label_index import index_labels
from napari_segtrain.data.sampling import PatchReader, PatchSampler
from napari_segtrain.data.split import Region, whole
from napari_segtrain.data.targets import TargetItem
from napari_segtrain.errors import DataError
from napari_segtrain.image import IGNORE_INDEX, Image, LabelImage

CPU = torch.device("cpu")


def source(is_2d=True, seed=0, batch_size=3, **augmentation):
    rng = np.random.default_rng(0)
    dataset = make_dataset(*rng.integers(0, 3, (2, 6, 40, 40)).astype(np.uint8))
    pairs, table, targets, indices = index_dataset(dataset)
    patch_size = (1, 16, 16) if is_2d else (4, 16, 16)
    sampler = PatchSampler(
        [whole(number, pair.shape) for number, pair in enumerate(pairs)],
        indices, patch_size, foreground=table.foreground, foreground_share=0.5,
    )  # fmt: skip
    maps = [IntensityMap((0.0,), (0.01,))] * len(pairs)
    reader = PatchReader([p.image for p in pairs], targets, maps, cache_bytes=1 << 30)
    return BatchSource(
        sampler, reader, complete_augmentation(AugmentationConfig(**augmentation)),
        batch_size=batch_size, is_2d=is_2d, seed=seed,
    )  # fmt: skip


def take(batches, n):
    taken = list(itertools.islice(batches, n))
    batches.close()
    return taken


def assert_same(first, second):
    assert first.iteration == second.iteration
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.targets, second.targets)


def loader_threads():
    return [t for t in threading.enumerate() if t.name.startswith("segtrain-batches")]


@pytest.mark.parametrize(
    ("is_2d", "shape"), [(True, (3, 1, 16, 16)), (False, (3, 1, 4, 16, 16))]
)
def test_axes_and_types_of_a_batch(is_2d, shape):
    batch = source(is_2d).make(7)
    assert batch.iteration == 7
    assert (batch.plain().shape, batch.images.dtype) == (shape, torch.float32)
    assert batch.targets.shape == (shape[0], *shape[2:])
    assert batch.targets.dtype == torch.uint8


@pytest.mark.parametrize("n_threads", [0, 1, 4])
@pytest.mark.parametrize("first", [0, 5])
def test_a_batch_depends_on_seed_and_iteration_alone(n_threads, first):
    expected = [source().make(iteration) for iteration in range(first, first + 6)]
    batches = take(iter_batches(source(), first, n_threads=n_threads), 6)
    for one, other in zip(batches, expected, strict=True):
        assert_same(one, other)
        assert_same(source().augment(one, CPU), source().augment(other, CPU))


def test_other_seeds_and_iterations_give_other_batches():
    one = source()
    different = [one.make(0), one.make(1), source(seed=1).make(0)]
    for a, b in itertools.combinations(different, 2):
        assert not torch.equal(a.images, b.images)
    plain = source(affine_probability=0, noise=1.0)
    batch = plain.make(0)
    changed = [plain.augment(batch, CPU), source(seed=1, noise=1.0).augment(batch, CPU)]
    assert not torch.equal(changed[0].images, changed[1].images)


def test_a_smaller_batch_begins_with_the_same_patches():
    large, small = source(batch_size=4), source(batch_size=4)
    small.batch_size = 2
    assert torch.equal(small.make(3).plain(), large.make(3).plain()[:2])


def test_augmenting_leaves_the_batch_as_it_was():
    one = source(affine_probability=1.0)
    batch = one.make(0)
    before = batch.images.clone()
    changed = one.augment(batch, CPU)
    assert torch.equal(batch.images, before)
    assert not torch.equal(changed.images, before)
    assert changed.iteration == 0


def test_large_seeds_are_taken():
    one = source(seed=(1 << 32) - 1)
    one.augment(one.make(1_000_000), CPU)


WARPED = {
    "preset": "light", "flips": False, "affine_probability": 1,
    "brightness": 0, "contrast": 0, "noise": 0,
}  # fmt: skip


class TestSurroundings:
    """Images whose voxels say where they lie: Y in one channel, X in the other."""

    def source(self, size, patch_size=(1, 24, 24), **augmentation):
        y, x = np.indices(size).astype(np.float32)
        image = Image(np.stack([y, x])[:, None], "CZYX")
        labels = LabelImage(np.ones((1, *size), np.uint8), "ZYX")
        table = class_table(1)
        target = TargetItem(labels.items()[0], table, (True,))
        index = index_labels(target, np.random.default_rng(0))
        sampler = PatchSampler(
            [Region(0, (0, 0, 0), (1, *size))], [index], patch_size,
            foreground=[], foreground_share=0,
        )  # fmt: skip
        plain = [IntensityMap((0.0, 0.0), (1.0, 1.0))]
        reader = PatchReader(image.items(), [target], plain, cache_bytes=1 << 30)
        settings = complete_augmentation(AugmentationConfig(**WARPED | augmentation))
        return BatchSource(
            sampler, reader, settings, batch_size=4, is_2d=True, seed=0
        )  # fmt: skip

    def test_warped_patches_show_what_lies_around_them(self):
        """Coordinates that were rotated and scaled stay linear, up to the corners."""
        one = self.source((400, 400), max_rotation=45, max_scale=1.4)
        batches = [one.augment(one.make(iteration), CPU) for iteration in range(10)]
        images = torch.cat([batch.images for batch in batches])
        known = torch.cat([batch.targets for batch in batches]) == 0
        whole = known.flatten(1).all(1)
        assert images.shape == (40, 2, 24, 24)
        assert whole.float().mean() > 0.7
        whole &= ((images >= 0.5) & (images <= 398.5)).flatten(1).all(1)
        for axis in (2, 3):
            assert images[whole].diff(n=2, dim=axis).abs().max() < 0.01
        slopes = images[whole].diff(dim=2)[:, 1].abs().amax((1, 2))
        assert (slopes > 0.3).float().mean() > 0.3

    def test_beyond_the_region_is_unlabelled(self):
        one = self.source((30, 30), max_rotation=45, max_scale=1.4)
        shares = [
            (one.augment(one.make(i), CPU).targets == IGNORE_INDEX).float().mean()
            for i in range(10)
        ]
        assert 0 < min(shares) <= max(shares) < 0.5

    def test_no_margin_is_read_without_a_warp(self):
        one = self.source((200, 200), affine_probability=0.3, max_rotation=45)
        margins = {one.make(iteration).margin for iteration in range(40)}
        batches = [one.make(iteration) for iteration in range(40)]
        assert (0, 0, 0) in margins
        assert len(margins) > 2
        plain = self.source((200, 200), affine_probability=0)
        for batch in batches:
            wide = [size + 2 * batch.margin[1] for size in (24, 24)]
            assert list(batch.images.shape[2:]) == wide
            expected = plain.make(batch.iteration)
            assert torch.equal(batch.plain(), expected.images)

    def test_small_images_are_reflected_and_labelled_as_before(self):
        one = self.source((16, 16), affine_probability=0)
        assert (one.make(0).targets == 0).all()
        turned = self.source((16, 16), max_rotation=20)
        batch = turned.augment(turned.make(0), CPU)
        assert batch.images.min() >= -0.001
        assert batch.images.max() <= 15.001
        assert (batch.targets == 0).float().mean() > 0.7


class Failing:
    """A source whose fourth batch cannot be read."""

    def make(self, iteration):
        if iteration == 3:
            raise DataError("the disk is gone")
        return iteration


@pytest.mark.parametrize("n_threads", [0, 1, 3])
def test_an_error_in_a_thread_reaches_the_caller_in_its_turn(n_threads):
    batches = iter_batches(Failing(), 0, n_threads=n_threads)
    assert [next(batches) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError, match="the disk is gone"):
        next(batches)
    assert not loader_threads()


class Slow:
    """A source that counts what it was asked for."""

    def __init__(self):
        self.asked = []

    def make(self, iteration):
        self.asked.append(iteration)
        time.sleep(0.002)
        return iteration


def test_threads_end_when_the_generator_is_closed():
    slow = Slow()
    batches = iter_batches(slow, 0, n_threads=3)
    next(batches)
    assert loader_threads()
    batches.close()
    assert not loader_threads()
    n_asked = len(slow.asked)
    time.sleep(0.02)
    assert len(slow.asked) == n_asked


def test_threads_work_ahead_but_not_for_ever():
    slow = Slow()
    batches = iter_batches(slow, 0, n_threads=2)
    next(batches)
    time.sleep(0.1)
    assert 2 < len(slow.asked) < 10
    batches.close()


def test_without_threads_nothing_is_made_ahead():
    slow = Slow()
    batches = iter_batches(slow, 0, n_threads=0)
    next(batches)
    assert slow.asked == [0]
    assert not loader_threads()
