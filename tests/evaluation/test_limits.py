"""Evaluations of a part of images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.evaluation.helpers import class_table

from napari_segtrain import evaluate
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation.limits import (
    BoxRegion,
    MaskRegion,
    ShiftedRegion,
    limit_pair,
)
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.image import ClassTable, LabelImage

SHAPE = (4, 9, 11)
CLASSES = class_table("a", "b")
IDS = class_table("cell", is_objects=True)
LABELS = hnp.arrays(np.uint8, SHAPE, elements=st.integers(0, 2))
BOX = (slice(1, 3), slice(2, 8), slice(0, 9))


def blobs(seed: int, classes: ClassTable) -> LabelImage:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 6 if classes is IDS else 3, (4, 8, 8))
    array = coarse.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)
    return LabelImage(array, "ZYX", (2, 1, 1), classes=classes)


def cut(labels: LabelImage, box) -> LabelImage:
    return LabelImage(
        labels.array[box], "ZYX", labels.voxel_size, classes=labels.classes
    )


MEASURES = {"objects": True, "boundaries": True, "center_distance": 3}


@pytest.mark.parametrize("classes", [CLASSES, IDS])
@pytest.mark.parametrize("exclusion_width", [0, 1])
def test_a_box_scores_as_the_images_cut_to_it(classes, exclusion_width) -> None:
    """Objects that the border cuts and surfaces included."""
    truth, found = blobs(0, classes), blobs(1, classes)
    found.array[:, :13] = truth.array[:, :13]
    box = (slice(1, 3), slice(5, 27), slice(0, 19))
    settings = {**MEASURES, "exclusion_width": exclusion_width}
    limited = evaluate(truth, found, region=box, **settings).total
    whole = evaluate(cut(truth, box), cut(found, box), **settings).total
    assert limited.scores == whole.scores
    for part in ("objects", "object_summary", "centers", "boundaries"):
        ours, theirs = limited.part_rows(part), whole.part_rows(part)
        assert ours
        assert ours == [pytest.approx(row) for row in theirs], part


@given(LABELS, LABELS, hnp.arrays(bool, SHAPE))
def test_a_mask_counts_the_voxels_inside(truth, found, mask) -> None:
    mask[0, 0, 0] = True
    sides = [LabelImage(side, "ZYX", classes=CLASSES) for side in (truth, found)]
    scores = evaluate(*sides, mask=mask.astype(np.uint8)).total.scores
    for index, row in enumerate(scores.classes):
        assert row.n_truth == (truth[mask] == index).sum()
        assert row.n_predicted == (found[mask] == index).sum()
    assert scores.overall.accuracy == (truth == found)[mask].mean()


def test_positions_are_those_of_the_whole_image() -> None:
    truth = np.zeros((5, 20, 20), np.uint8)
    truth[3, 10:12, 14:16] = 1
    sides = [LabelImage(truth, "ZYX", classes=CLASSES) for _ in range(2)]
    region = (slice(2, 5), slice(8, 20), slice(20))
    report = evaluate(*sides, region=region, objects=True)
    assert [part.n_truth for part in report.slices] == [0, 0, 240, 240, 240]
    (row,) = report.to_list_rows()
    assert (row["z"], row["y"], row["x"]) == (3, 10.5, 14.5)


def test_only_blocks_of_the_region_are_read() -> None:
    read = []

    class Watched(np.ndarray):
        def __getitem__(self, key):
            read.append(key)
            return np.asarray(super().__getitem__(key))

    array = np.ones(SHAPE, np.uint8).view(Watched)
    labels = LabelImage(array, "ZYX", classes=CLASSES)
    pair = limit_pair(LabelPair("a", labels, labels), BoxRegion(BOX))
    assert (pair.truth.array[3] == -32768).all()
    assert not read
    assert (pair.truth.array[1, 2:8, :9] == 1).all()
    assert len(read) == 1


@given(st.data())
def test_regions_are_read_in_parts(data) -> None:
    mask = data.draw(hnp.arrays(bool, SHAPE))
    box_mask = np.zeros(SHAPE, bool)
    box_mask[BOX] = True
    spans = {
        axis: tuple(sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))))
        for axis, n in zip("ZYX", SHAPE, strict=True)
    }
    part = tuple(slice(*spans[axis]) for axis in "ZYX")
    labels = LabelImage(mask.astype(np.uint8), "ZYX")
    for region, whole in ((MaskRegion(labels), mask), (BoxRegion(BOX), box_mask)):
        found = np.broadcast_to(region.read(spans, "ZYX"), whole[part].shape)
        assert np.array_equal(found, whole[part])
        turned = np.broadcast_to(
            region.read(spans, "XZY"), whole[part].transpose(2, 0, 1).shape
        )
        assert np.array_equal(turned, whole[part].transpose(2, 0, 1))
        origin = {axis: spans[axis][0] for axis in "ZYX"}
        moved = {axis: (0, stop - start) for axis, (start, stop) in spans.items()}
        shifted = ShiftedRegion(region, origin).read(moved, "ZYX")
        assert np.array_equal(np.broadcast_to(shifted, whole[part].shape), whole[part])


def test_a_mask_of_a_slice_holds_for_all_times() -> None:
    rng = np.random.default_rng(0)
    truth, found = (rng.integers(0, 3, (3, 8, 9)).astype(np.uint8) for _ in range(2))
    sides = [
        LabelImage(side, axes, classes=CLASSES)
        for side, axes in ((truth, "TYX"), (found, "SYX"))
    ]
    mask = rng.random((8, 9)) < 0.5
    scores = evaluate(*sides, mask=mask.astype(np.uint8)).total.scores
    assert scores.overall.accuracy == (truth == found)[:, mask].mean()
    each = rng.random((3, 8, 9)) < 0.5
    limits = LabelImage(each.astype(np.uint8), "TYX")
    scores = evaluate(*sides, mask=limits).total.scores
    assert scores.overall.accuracy == (truth == found)[each].mean()


def test_painted_slices_are_those_that_hold_a_label_inside() -> None:
    truth = np.zeros(SHAPE, np.uint8)
    truth[1, :2], truth[2, 6:] = 1, 1
    painted = ClassTable(CLASSES.rows, zero="painted-slices")
    sides = LabelImage(truth, "ZYX", classes=painted), LabelImage(truth.copy(), "ZYX")
    everything = (slice(None), slice(0, 4), slice(None))
    report = evaluate(*sides, region=everything)
    assert [part.n_truth for part in report.slices] == [0, 44, 0, 0]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"region": (slice(0, 9), slice(2), slice(2))}, "0:9 along Z is not in"),
        ({"region": (slice(2), slice(2))}, ":2,:2|does not fit|each of Z, Y and X"),
        ({"mask": np.ones((4, 9, 10), np.uint8)}, r"(4, 9, 10)|same size"),
        ({"mask": np.ones((9, 11), np.uint8)}, r"(axes YX)|same size"),
        ({"mask": np.zeros(SHAPE, np.uint8)}, "region or the mask|no labelled voxel"),
    ],
)
def test_limits_that_do_not_fit(limits, words) -> None:
    labels = LabelImage(np.ones(SHAPE, np.uint8), "ZYX", classes=CLASSES)
    with pytest.raises(DataError) as caught:
        evaluate(labels, labels, **limits)
    missing = [word for word in words.split("|") if word not in str(caught.value)]
    assert not missing, str(caught.value)
