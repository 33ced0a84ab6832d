"""Scores of slices, and the progress of an evaluation."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from tests.evaluation.helpers import class_table, label_image

from napari_segtrain import LabelImage, RunControl
from napari_segtrain.boxes import iter_blocks
from napari_segtrain.config import EvaluationConfig
from napari_segtrain.evaluation import evaluate
from napari_segtrain.evaluation.evaluate import iter_evaluation
from napari_segtrain.evaluation.events import BlockScored
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.image import ClassTable
from napari_segtrain.workflows.running import run

CLASSES = class_table("myelin", "axon", ignored=255)


def random_pair(shape, axes="", name="image"):
    truth, predicted = np.random.default_rng(0).integers(0, 3, (2, *shape), np.uint8)
    sides = (LabelImage(array, axes) for array in (truth, predicted))
    return LabelPair(name, *sides)


def score(*pairs, **options):
    return run(iter_evaluation(pairs, classes=CLASSES, **options))


def test_each_slice_has_the_scores_that_it_has_alone(monkeypatch):
    pair = random_pair((4, 10, 12))
    monkeypatch.setattr(
        evaluate, "iter_blocks", lambda shape, _: iter_blocks(shape, 25)
    )
    slices = score(pair).slices
    assert [part.z for part in slices] == [0, 1, 2, 3]
    for part in slices:
        sides = (label_image(s.array[part.z]) for s in (pair.truth, pair.prediction))
        alone = score(LabelPair("slice", *sides)).total.scores
        assert part.iou == alone.overall.iou
        assert part.class_iou == tuple(row.iou for row in alone.classes)
        assert part.n_truth == 120


def test_slices_of_items_know_their_index():
    slices = score(random_pair((2, 3, 8, 8), "TZYX"), random_pair((8, 8))).slices
    places = [(part.index.get("T"), part.z) for part in slices]
    assert places == [(t, z) for t in (0, 1) for z in range(3)] + [(None, 0)]


def test_a_slice_that_does_not_count_has_no_score():
    truth = np.zeros((3, 8, 8), np.uint8)
    truth[1, 2:4] = 1
    table = ClassTable(CLASSES.rows, zero="painted-slices")
    painted = LabelPair("a", label_image(truth, classes=table), label_image(truth))
    assert [part.iou for part in score(painted).slices] == [None, 1.0, None]
    assert [part.n_truth for part in score(painted).slices] == [0, 64, 0]


def test_progress_goes_up_to_all_voxels(monkeypatch):
    monkeypatch.setattr(evaluate, "BLOCK_VOXELS", 64)
    pairs = [random_pair((4, 8, 8), name="a"), random_pair((2, 8, 8), name="b")]
    for objects in (False, True):
        config = EvaluationConfig(objects=objects)
        work = iter_evaluation(pairs, classes=CLASSES, config=config)
        events = [event for event in work if isinstance(event, BlockScored)]
        done = [event.n_done for event in events]
        assert done == sorted(done)
        assert done[-1] == events[-1].n_total == 6 * 64 * (1 + objects)
        assert len(events) >= 6


def test_stop_is_obeyed_within_a_block(monkeypatch):
    monkeypatch.setattr(evaluate, "BLOCK_VOXELS", 64)
    control = RunControl()
    work = iter_evaluation(
        [random_pair((40, 8, 8))],
        classes=CLASSES,
        config=EvaluationConfig(objects=True),
        control=control,
    )
    next(work)
    control.stop()
    with pytest.raises(StopIteration) as stop:
        next(work)
    report = stop.value.value
    assert report.images == report.slices == ()
    assert not report.is_complete


def test_csv_of_slices_lies_beside(tmp_path):
    report = score(random_pair((2, 3, 8, 8), "TZYX", "movie"))
    report.write_csv(tmp_path / "metrics.csv")
    text = (tmp_path / "metrics_slices.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    names = ["iou_background", "iou_myelin", "iou_axon"]
    assert list(rows[0]) == ["image", "t", "z", "iou", *names, "truth_voxels"]
    assert [(row["t"], row["z"]) for row in rows[:4]] == [
        ("0", "0"),
        ("0", "1"),
        ("0", "2"),
        ("1", "0"),
    ]
    assert float(rows[5]["iou_axon"]) == report.slices[5].class_iou[2]
    report.write_json(tmp_path / "metrics.json")
    content = json.loads((tmp_path / "metrics.json").read_text("utf-8"))
    assert len(content["slices"]) == 6


def test_flat_images_have_no_file_of_slices(tmp_path):
    score(random_pair((8, 8)), random_pair((8, 8))).write_csv(tmp_path / "metrics.csv")
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["metrics.csv", "metrics_confusion.csv"]
