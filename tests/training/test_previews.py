"""Patches that are shown while a network learns."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from tests.training.running import Recorder, assert_same_run, train
from tests.training.tasks import disks, make_config, make_dataset

from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.files import make_sample
from napari_segtrain.data.split import Region
from napari_segtrain.image import IGNORE_INDEX, Image, LabelImage
from napari_segtrain.training import learner
from napari_segtrain.training import previews as previews_module
from napari_segtrain.training.events import EpochEnd, Preview
from napari_segtrain.training.previews import MAX_SIDE, PatchKeeper
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run

LENGTH = {
    "length": {"kind": "iterations", "iterations": 90},
    "iterations_per_epoch": 30,
}


def previews(recorder: Recorder) -> list[Preview]:
    return [event for event in recorder.events if isinstance(event, Preview)]


def accuracy(preview: Preview) -> float:
    right = [(p.truth == p.prediction).mean() for p in preview.patches]
    return float(np.mean(right))


def iou(preview: Preview) -> float:
    pairs = [(p.truth == 1, p.prediction == 1) for p in preview.patches]
    both = sum((a & b).sum() for a, b in pairs)
    return float(both / sum((a | b).sum() for a, b in pairs))


def test_the_same_held_out_patches_come_after_each_validation(
    dataset: Dataset, run_dir: Path
) -> None:
    recorder = Recorder()
    train(dataset, make_config(training=LENGTH), run_dir, recorder)
    shown = previews(recorder)
    assert [event.epoch for event in shown] == [1, 2, 3]
    assert [e.iteration for e in recorder.of(EpochEnd)] == [e.iteration for e in shown]
    assert shown[0].classes.names == ("background", "foreground")
    for first, later in zip(shown[0].patches, shown[-1].patches, strict=True):
        assert first.is_held_out
        assert (first.name, first.z) == (later.name, later.z)
        assert np.array_equal(first.image, later.image)
        assert np.array_equal(first.truth, later.truth)
    assert iou(shown[-1]) > 0.7


def test_a_patch_is_what_it_says(dataset: Dataset, run_dir: Path) -> None:
    recorder = Recorder()
    train(dataset, make_config(training=LENGTH), run_dir, recorder)
    patch = previews(recorder)[0].patches[0]
    sample = next(s for s in dataset.samples if s.name == patch.name)
    n_y, n_x = patch.truth.shape
    box = (slice(patch.y, patch.y + n_y), slice(patch.x, patch.x + n_x))
    assert np.array_equal(patch.truth, sample.labels.array[box])
    assert patch.image.shape == (1, n_y, n_x)
    assert patch.image.dtype == patch.truth.dtype == patch.prediction.dtype == np.uint8
    near = np.corrcoef(patch.image[0].ravel(), sample.image.array[box].ravel())[0, 1]
    assert near > 0.99


def test_scores_and_previews_come_from_one_prediction(run_dir: Path) -> None:
    recorder = Recorder()
    train(make_dataset(4), make_config(training=LENGTH), run_dir, recorder)
    epochs = recorder.of(EpochEnd)
    for event, shown in zip(epochs, previews(recorder), strict=True):
        assert event.iou["foreground"] == pytest.approx(iou(shown))


@pytest.mark.slow
def test_without_a_held_out_part_training_patches_are_shown(run_dir: Path) -> None:
    recorder = Recorder()
    config = make_config(validation={"kind": "none"}, training=LENGTH)
    train(make_dataset(1), config, run_dir, recorder)
    shown = previews(recorder)
    assert len(shown) == 3
    assert not any(patch.is_held_out for event in shown for patch in event.patches)
    assert all(event.score is None for event in recorder.of(EpochEnd))
    assert accuracy(shown[-1]) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["auto", "none"])
def test_previews_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    config = make_config(
        network={"dropout": 0.2}, validation={"kind": kind}, training=LENGTH
    )
    train(make_dataset(), config, tmp_path / "with")
    monkeypatch.setattr(learner, "_training_boxes", lambda *_: ())
    monkeypatch.setattr(PatchKeeper, "add", lambda *_: None)
    recorder = Recorder()
    train(make_dataset(), config, tmp_path / "without", recorder)
    assert all(event.patches == () for event in previews(recorder))
    assert_same_run(tmp_path / "with", tmp_path / "without")


def test_a_resumed_run_shows_the_same_patches(tmp_path: Path) -> None:
    config = make_config(training=LENGTH)
    before, after = Recorder(stop_at=40), Recorder()
    train(make_dataset(), config, tmp_path / "run", before)
    run(iter_resumed_run(tmp_path / "run"), after)
    for first, later in zip(
        previews(before)[0].patches, previews(after)[0].patches, strict=True
    ):
        assert (first.name, first.z, first.y) == (later.name, later.z, later.y)


def test_of_a_volume_the_slice_with_most_labels_is_shown(run_dir: Path) -> None:
    config = make_config(
        network={"dims": 3, "depth": 2, "first_filters": 4},
        sampling={"patch_size": [16, 32, 32], "batch_size": 2},
        training={"length": {"kind": "iterations", "iterations": 2}},
    )
    recorder = Recorder()
    train(make_dataset(4, (20, 40, 40)), config, run_dir, recorder)
    patch = previews(recorder)[0].patches[0]
    labels = disks((20, 40, 40), int(patch.name[-1]))[1]
    assert patch.z == int(np.argmax((labels == 1).sum(axis=(1, 2))))


def test_large_boxes_are_cut_and_unlabelled_ones_left_out() -> None:
    keeper = PatchKeeper(["large"], is_held_out=True)
    shape = (2, 700, 300)
    truth = np.full(shape, IGNORE_INDEX, np.uint8)
    truth[1, 300:, :10] = 1
    image = np.zeros((3, *shape), np.float32)
    keeper.add(Region(0, (5, 100, 0), (7, 800, 300)), image, truth, truth)
    patches = keeper.take()
    assert len(patches) == 2
    assert {patch.z for patch in patches} == {6}
    assert all(max(patch.truth.shape) <= MAX_SIDE for patch in patches)
    assert all((patch.truth == 1).any() for patch in patches)
    assert all(patch.image.shape == (3, *patch.truth.shape) for patch in patches)
    assert [patch.y for patch in patches] == [100 + 233, 100 + 467]


def test_at_most_four_patches_spread_over_all() -> None:
    keeper = PatchKeeper([f"image {n}" for n in range(9)], is_held_out=True)
    truth = np.ones((1, 8, 8), np.uint8)
    for number in range(9):
        box = Region(number, (0, 0, 0), (1, 8, 8))
        keeper.add(box, truth[None], truth, truth)
    names = [patch.name for patch in keeper.take()]
    assert names == ["image 0", "image 3", "image 5", "image 8"]


def test_previews_cost_next_to_nothing() -> None:
    """Against half a second, a fast validation of as many voxels on two cores."""
    keeper = PatchKeeper(["a", "b"], is_held_out=True)
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (1, 512, 512), np.uint8)
    boxes = [Region(n, (0, 0, 0), (1, 512, 512)) for n in (0, 1)]
    for box in boxes:
        keeper.add(box, truth[None], truth, truth)
    keeper.take()
    start = time.perf_counter()
    for box in boxes:
        keeper.add(box, truth[None], truth, truth)
    keeper.take()
    assert time.perf_counter() - start < 0.02 * 0.5


def test_rgb_and_sixteen_bit_images_are_scaled_for_the_eye(run_dir: Path) -> None:
    image, labels = disks((96, 96), 0)
    deep = image.astype(np.uint16) * 200
    sample = make_sample(Image(np.stack([deep, deep]), "CYX"), LabelImage(labels, "YX"))
    recorder = Recorder()
    config = make_config(
        training={"length": {"kind": "iterations", "iterations": 2}},
        validation={"kind": "none"},
    )
    train(Dataset((sample,)), config, run_dir, recorder)
    patch = previews(recorder)[0].patches[0]
    assert patch.image.shape[0] == 2
    assert patch.image.max() == 255


def test_of_many_windows_few_are_held_and_chosen_evenly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(previews_module, "MAX_CANDIDATES", 8)
    keeper = PatchKeeper(["many"], is_held_out=True)
    truth = np.ones((1, 8, 8), np.uint8)
    image = np.zeros((1, 1, 8, 8), np.float32)
    for z in range(200):
        keeper.add(Region(0, (z, 0, 0), (z + 1, 8, 8)), image, truth, truth)
        assert keeper.n_held <= 8
    shown = [patch.z for patch in keeper.take()]
    assert shown[0] == 0
    assert shown[-1] > 120
    assert np.diff(shown).std() < 30
    for z in range(200):
        region = Region(0, (z, 0, 0), (z + 1, 8, 8))
        keeper.add(region, image, truth, np.full_like(truth, 3))
    later = keeper.take()
    assert [patch.z for patch in later] == shown
    assert all((patch.prediction == 3).all() for patch in later)
