"""Only changed slices are counted again, and the result is that of everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evaluation.helpers import class_table

from napari_segtrain.config import EvaluationConfig
from napari_segtrain.control import RunControl
from napari_segtrain.evaluation import evaluate, kept_slices
from napari_segtrain.evaluation.error_map import (
    error_map_array,
    iter_error_map,
    write_block,
)
from napari_segtrain.evaluation.evaluate import iter_evaluation
from napari_segtrain.evaluation.kept_slices import KeptSlices, place_of, slice_boxes
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.image import ClassTable, LabelImage
from napari_segtrain.io.lazy import BlockArray

CLASSES = class_table("a", "b", ignored=9)
SHAPE = (40, 6, 7)


def values(shape=SHAPE, seed: int = 0) -> np.ndarray:
    chosen = np.random.default_rng(seed).choice([0, 1, 2, 9], shape)
    return chosen.astype(np.uint8)


def blocks(seed: int) -> np.ndarray:
    """Cubes, so that a band leaves something of them."""
    return np.kron(values((10, 3, 4), seed), np.ones((4, 4, 4), np.uint8))


def pair_of(truth, found, axes="ZYX", classes: ClassTable = CLASSES) -> LabelPair:
    sides = (LabelImage(side, axes, classes=classes) for side in (truth, found))
    return LabelPair("a", *sides)


def scored(pair, config=None, kept=None, control=None):
    work = iter_evaluation(
        [pair], classes=CLASSES, config=config, control=control, kept=kept
    )
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def check_equal(found, expected) -> None:
    assert found.to_dict() == expected.to_dict()
    assert found.total.scores == expected.total.scores
    assert found.slices == expected.slices
    assert found.intervals == expected.intervals


SETTINGS = {
    "classes": {},
    "everything": {"objects": True, "boundaries": True, "center_distance": 2},
    "without a band": {"exclusion_width": 1},
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("zero", ["dense", "painted-slices"])
def test_a_second_evaluation_is_that_of_everything(name, zero) -> None:
    config = EvaluationConfig(**SETTINGS[name])
    classes = ClassTable(CLASSES.rows, zero=zero)
    truth, found = blocks(0), blocks(1)
    truth[7:9] = 0
    kept = KeptSlices()
    first = scored(pair_of(truth, found, classes=classes), config, kept)
    check_equal(first, scored(pair_of(truth, found, classes=classes), config))
    truth[5], found[30, 2:4], truth[8, 0] = 1, 2, 2
    kept.forget([((), 5), ((), 30), ((), 8)])
    again = scored(pair_of(truth, found, classes=classes), config, kept)
    check_equal(again, scored(pair_of(truth, found, classes=classes), config))
    assert kept.n_counted == (3 if name != "without a band" else 9)
    assert again.iou != first.iou


@given(st.data())
def test_any_edits(data) -> None:
    shape = (2, 5, 4, 3)
    sides = [values(shape, seed) for seed in range(2)]
    kept = KeptSlices()
    scored(pair_of(*sides, "TZYX"), kept=kept)
    for _ in range(data.draw(st.integers(1, 3))):
        places = [
            tuple(data.draw(st.integers(0, n - 1)) for n in shape[:2])
            for _ in range(data.draw(st.integers(0, 3)))
        ]
        for t, z in places:
            side = data.draw(st.sampled_from(sides))
            side[t, z, data.draw(st.integers(0, 3))] = data.draw(st.integers(0, 2))
        kept.forget(place_of({"T": t}, z) for t, z in places)
        found = scored(pair_of(*sides, "TZYX"), kept=kept)
        assert kept.n_counted == len(set(places))
        check_equal(found, scored(pair_of(*sides, "TZYX")))


def test_unchanged_slices_are_not_read() -> None:
    truth, found = values(), values(seed=1)
    read: set[int] = set()

    def watched(array) -> BlockArray:
        def read_box(box):
            read.update(range(box[0].start, box[0].stop))
            return array[box].copy()

        return BlockArray(array.shape, array.dtype, read_box)

    pair = pair_of(watched(truth), watched(found))
    kept = KeptSlices()
    scored(pair, kept=kept)
    assert read == set(range(40))
    read.clear()
    kept.forget([((), 3), ((), 4), ((), 20)])
    scored(pair, kept=kept)
    assert read == {3, 4, 20}
    read.clear()
    list(iter_error_map(pair, CLASSES, places={((), 7), ((), 9)}))
    assert read == {7, 9}


@pytest.mark.parametrize("max_voxels", [20, 100, 10_000])
def test_slices_larger_than_a_block(monkeypatch, max_voxels) -> None:
    monkeypatch.setattr(kept_slices, "BLOCK_VOXELS", max_voxels)
    monkeypatch.setattr(evaluate, "BLOCK_VOXELS", max_voxels)
    truth, found = values(), values(seed=1)
    expected = scored(pair_of(truth, found))
    kept = KeptSlices()
    check_equal(scored(pair_of(truth, found), kept=kept), expected)
    kept.forget([((), 1)])
    check_equal(scored(pair_of(truth, found), kept=kept), expected)


def test_other_settings_or_classes_keep_nothing() -> None:
    truth, found = values(), values(seed=1)
    kept = KeptSlices()
    scored(pair_of(truth, found), kept=kept)
    scored(pair_of(truth, found), EvaluationConfig(boundaries=True), kept)
    assert kept.n_counted == 0, "surfaces change no counts"
    scored(pair_of(truth, found), EvaluationConfig(exclusion_width=1), kept)
    assert kept.n_counted == 40
    other = class_table("a", "b")
    scored(pair_of(truth, found, classes=other), kept=kept)
    assert kept.n_counted == 40
    check_equal(
        scored(pair_of(truth[:9], found[:9]), kept=kept),
        scored(pair_of(truth[:9], found[:9])),
    )


def test_what_a_stop_left_open_is_counted_later(monkeypatch) -> None:
    monkeypatch.setattr(kept_slices, "BLOCK_VOXELS", 5 * 6 * 7)
    pair, kept, control = pair_of(values(), values(seed=1)), KeptSlices(), RunControl()
    work = iter_evaluation([pair], classes=CLASSES, control=control, kept=kept)
    for _ in range(4):
        next(work)
    control.stop()
    assert not list(work)
    assert kept.n_counted == 15
    check_equal(scored(pair, kept=kept), scored(pair))
    assert kept.n_counted == 25


def test_an_error_map_of_some_slices() -> None:
    truth, found = values((2, 8, 6, 7)), values((2, 8, 6, 7), 1)
    pair = pair_of(truth, found, "TZYX")
    errors = error_map_array(pair, CLASSES)
    truth[1, 3], found[0, 7] = 1, 2
    changed = {place_of({"T": 1}, 3), place_of({"T": 0}, 7)}
    blocks = list(iter_error_map(pair, CLASSES, places=changed))
    for block in blocks:
        write_block(errors, "TZYX", block)
    assert np.array_equal(errors, error_map_array(pair, CLASSES))
    assert sum(block.codes.size for block in blocks) == 2 * 6 * 7
    assert blocks[-1].n_done <= blocks[-1].n_total


def test_boxes_of_runs_of_slices() -> None:
    boxes = list(slice_boxes((9, 4, 5), [0, 1, 2, 5, 8], 40))
    assert [box[0] for box in boxes] == [
        slice(0, 2), slice(2, 3), slice(5, 6), slice(8, 9)
    ]  # fmt: skip
    assert list(slice_boxes((9, 4, 5), [], 40)) == []
