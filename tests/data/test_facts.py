from __future__ import annotations

import numpy as np
import pytest
from tests.data.helpers import make_dataset

from napari_segtrain.config import DataConfig, ExperimentConfig, parse_experiment
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.data.files import open_dataset
from napari_segtrain.data.samples import SAMPLES, sample_dir
from napari_segtrain.errors import DataError


def bundled(name: str, kind: str = "label") -> Dataset:
    folder = sample_dir(name) / "train"
    return open_dataset(
        DataConfig(images=folder / "image", labels=folder / kind)
    ).dataset


def labels(shape=(6, 40, 40), seed=0, n_classes=3):
    rng = np.random.default_rng(seed)
    return rng.integers(0, n_classes, shape).astype(np.uint8)


@pytest.mark.parametrize("name", [sample.name for sample in SAMPLES])
def test_bundled_samples_are_understood_without_a_word(name):
    facts = gather_facts(bundled(name), ExperimentConfig())
    assert facts.classes.is_objects == (name == "nuclei")
    assert facts.classes.zero == "dense"
    assert facts.n_used_slices == facts.n_slices
    assert facts.split.validation
    assert min(facts.class_voxels) > 1000
    assert len(facts.fingerprints) == 2 * len(facts.names)


def test_bundled_strokes_use_what_is_painted_only():
    dataset = bundled("axons", "strokes")
    facts = gather_facts(dataset, ExperimentConfig())
    painted = [np.asarray(s.labels.items()[0].read()) > 0 for s in dataset.samples]
    assert facts.classes.zero == "unlabelled"
    assert sum(facts.class_voxels) == sum(int(mask.sum()) for mask in painted)
    assert (
        facts.normalization
        == gather_facts(bundled("axons"), ExperimentConfig()).normalization
    )


def test_shapes_slices_and_voxels_of_each_item():
    first, second = labels((4, 40, 40)), labels((6, 50, 30), 1)
    facts = gather_facts(make_dataset(first, second), ExperimentConfig())
    assert facts.names == ("sample 0", "sample 1")
    assert facts.shapes == ((4, 40, 40), (6, 50, 30))
    assert facts.used == ((True,) * 4, (True,) * 6)
    assert (facts.n_slices, facts.n_used_slices) == (10, 10)
    counts = np.bincount(first.ravel()) + np.bincount(second.ravel())
    assert facts.class_voxels == tuple(counts)
    assert facts.n_channels == 1
    assert facts.voxel_size is None
    assert facts.fingerprints == {}


def test_slices_that_were_not_painted_do_not_count():
    stack = np.zeros((20, 40, 40), np.uint8)
    stack[[3, 11]] = labels((2, 40, 40))
    facts = gather_facts(make_dataset(stack), ExperimentConfig())
    assert facts.classes.zero == "painted-slices"
    assert facts.n_used_slices == 2
    assert np.flatnonzero(facts.used[0]).tolist() == [3, 11]
    assert sum(facts.class_voxels) == 2 * 40 * 40


def test_the_voxel_size_of_the_config_wins():
    config = ExperimentConfig(data=DataConfig(voxel_size=(3, 1, 1)))
    assert gather_facts(make_dataset(labels()), config).voxel_size == (3, 1, 1)


def test_the_same_seed_gathers_the_same_facts():
    dataset = make_dataset(*[labels((1, 40, 40), seed) for seed in range(12)])
    config = parse_experiment({"training": {"seed": 3}}, source="x")
    assert gather_facts(dataset, config) == gather_facts(dataset, config)


def test_labels_that_are_no_numbers_are_named_with_their_image():
    wrong = labels((20, 20)).astype(np.float32)
    wrong[4, 4] = 0.5
    with pytest.raises(DataError, match=r"0\.5 in the labels of sample 1"):
        gather_facts(make_dataset(labels((20, 20)), wrong), ExperimentConfig())


def test_empty_labels_are_refused():
    with pytest.raises(DataError, match="labels are empty"):
        gather_facts(make_dataset(np.zeros((20, 20), int)), ExperimentConfig())


@pytest.mark.parametrize(("squeeze", "expected"), [(1, 1.0), (4, 4.0)])
def test_labels_of_balls_tell_how_thick_slices_are(squeeze, expected):
    z, y, x = np.ogrid[:64:squeeze, :64, :64]
    labels = np.zeros((64 // squeeze, 64, 64), np.uint8)
    for center in ((20, 20, 20), (40, 42, 24), (30, 30, 48)):
        distance = sum((g - c) ** 2 for g, c in zip((z, y, x), center, strict=True))
        labels[distance < 14**2] = 1
    facts = gather_facts(make_dataset(labels), ExperimentConfig())
    assert facts.change_ratio == pytest.approx(expected, rel=0.1)


def test_how_much_of_a_class_recurs_in_the_next_slice():
    labels = np.zeros((8, 40, 40), np.uint8)
    for z in range(8):
        labels[z, 5:15, 5 + z : 25 + z] = 1
        labels[z, 20:40, 4 * z : 4 * z + 5] = 2
    config = ExperimentConfig(data=DataConfig(zero="dense"))
    facts = gather_facts(make_dataset(labels), config)
    assert facts.continuity == pytest.approx(19 / 20)


@pytest.mark.parametrize("labelled", [[3], [0, 2, 4, 6]])
def test_thickness_needs_labelled_slices_beside_each_other(labelled):
    labels = np.full((8, 24, 24), 255, np.uint8)
    labels[labelled] = 0
    labels[labelled, :12] = 1
    config = parse_experiment({"data": {"ignore": [255]}}, source="test")
    facts = gather_facts(make_dataset(labels), config)
    assert facts.change_ratio is None
    assert facts.continuity is None
