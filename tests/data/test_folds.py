"""Each part of the data is held out once, and no voxel is on both sides."""

from __future__ import annotations

import numpy as np
import pytest
from tests.training.tasks import make_config, make_dataset

from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.facts import DatasetFacts, gather_facts
from napari_segtrain.errors import DataError


def facts_of(dataset: Dataset, k: int) -> DatasetFacts:
    config = make_config(validation={"kind": "k-fold", "k": k})
    return gather_facts(dataset, config)


def masks(facts: DatasetFacts, regions) -> list[np.ndarray]:
    found = [np.zeros(shape, int) for shape in facts.shapes]
    for region in regions:
        found[region.pair][region.box] += 1
    return found


@pytest.mark.parametrize(
    ("n", "shape", "k"),
    [
        (7, (64, 64), 3),
        (3, (64, 64), 3),
        (2, (96, 200), 4),
        (1, (12, 64, 64), 5),
        (1, (4, 96, 64), 3),
    ],
)
def test_every_voxel_is_held_out_once_and_never_trained_on_then(n, shape, k) -> None:
    facts = facts_of(make_dataset(n, shape), k)
    assert len(facts.folds) == k
    assert facts.split == facts.folds[0]
    held = [masks(facts, fold.validation) for fold in facts.folds]
    trained = [masks(facts, fold.training) for fold in facts.folds]
    for number in range(n):
        assert (sum(fold[number] for fold in held) == 1).all()
        for on_one, on_other in zip(held, trained, strict=True):
            assert not (on_one[number] & on_other[number]).any()


def test_slabs_have_a_gap_beside_them() -> None:
    facts = facts_of(make_dataset(1, (12, 64, 64)), 3)
    middle = facts.folds[1]
    (held,) = middle.validation
    before, after = middle.training
    assert before.stop[0] == held.start[0] - 1
    assert after.start[0] == held.stop[0] + 1


def test_folds_hold_about_as_many_labels() -> None:
    dataset = make_dataset(9)
    facts = facts_of(dataset, 3)
    labels = [np.asarray(sample.labels.array).size for sample in dataset.samples]
    sizes = [sum(labels[r.pair] for r in fold.validation) for fold in facts.folds]
    assert max(sizes) == min(sizes)


def test_the_same_seed_gives_the_same_folds() -> None:
    assert facts_of(make_dataset(7), 3).folds == facts_of(make_dataset(7), 3).folds


def test_too_many_folds_are_refused() -> None:
    with pytest.raises(DataError, match=r"10 folds are not possible.*validation\.k"):
        facts_of(make_dataset(1, (64, 64)), 10)
