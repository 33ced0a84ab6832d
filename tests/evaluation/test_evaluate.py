from __future__ import annotations

import numpy as np
import pytest
from tests.evaluation.helpers import class_table, label_image

from napari_segtrain.boxes import iter_blocks
from napari_segtrain.config import EvaluationConfig
from napari_segtrain.control import RunControl
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation import evaluate
from napari_segtrain.evaluation.evaluate import iter_evaluation
from napari_segtrain.evaluation.events import ImageScored
from napari_segtrain.evaluation.pairs import LabelPair, common_classes
from napari_segtrain.evaluation.semantic import ConfusionMatrix
from napari_segtrain.image import ClassInfo, ClassTable, LabelImage

CLASSES = class_table("myelin", "axon", ignored=255)


def run(pairs, **options):
    """Events and report of an evaluation."""
    events = []
    named = {"classes": CLASSES, **options}
    fields = EvaluationConfig.model_fields
    config = {name: named.pop(name) for name in tuple(named) if name in fields}
    evaluation = iter_evaluation(pairs, config=EvaluationConfig(**config), **named)
    while True:
        try:
            events.append(next(evaluation))
        except StopIteration as stop:
            return events, stop.value


def random_pair(seed, shape=(3, 10, 12), axes="", name="image"):
    truth, predicted = np.random.default_rng(seed).integers(0, 3, (2, *shape), np.uint8)
    return LabelPair(name, label_image(truth, axes=axes), label_image(predicted))


def test_each_image_is_reported_as_it_is_done():
    pairs = [random_pair(seed, name=f"image {seed}") for seed in range(3)]
    events, report = run(iter(pairs))
    events = [event for event in events if isinstance(event, ImageScored)]
    assert [(e.name, e.n_done, e.n_total) for e in events] == [
        ("image 0", 1, 3),
        ("image 1", 2, 3),
        ("image 2", 3, 3),
    ]
    assert report.images == tuple(event.scores for event in events)
    assert report.is_complete


def test_total_is_that_of_all_voxels_together():
    pairs = [random_pair(0, (4, 9, 9)), random_pair(1, (2, 30, 30))]
    matrix = ConfusionMatrix(3)
    for pair in pairs:
        matrix.add(pair.truth.array.ravel(), pair.prediction.array.ravel())
    assert run(pairs)[1].total.scores == matrix.scores(CLASSES)


def test_scores_do_not_depend_on_the_blocks(monkeypatch):
    pair = random_pair(0)
    whole = run([pair])[1]
    monkeypatch.setattr(
        evaluate, "iter_blocks", lambda shape, _: iter_blocks(shape, 25)
    )
    assert run([pair])[1] == whole


def test_values_of_any_dtype_and_order_of_axes():
    pair = random_pair(0)
    turned = LabelImage(pair.prediction.array.T.astype(np.float32), "XYZ")
    other = LabelPair("image", pair.truth, turned)
    assert run([other])[1].total == run([pair])[1].total


def test_item_axes_are_all_scored():
    pair = random_pair(0, (4, 10, 12), axes="TYX")
    prediction = LabelImage(pair.prediction.array, "TYX")
    scores = run([LabelPair("movie", pair.truth, prediction)])[1].total.scores
    assert scores.overall.n_truth == 4 * 10 * 12
    assert scores == run([random_pair(0, (4, 10, 12))])[1].total.scores


def test_unlabelled_voxels_count_nowhere():
    truth = label_image([[0, 1, 255, 255]])
    for rest in ([0, 0], [1, 2]):
        pair = LabelPair("image", truth, label_image([[0, 1, *rest]]))
        overall = run([pair])[1].total.scores.overall
        assert (overall.iou, overall.accuracy, overall.n_truth) == (1.0, 1.0, 2)


def test_slices_without_a_label_do_not_count_when_only_some_are_painted():
    truth = np.zeros((5, 8, 8), np.uint8)
    truth[1, 2:4] = 1
    truth[3, 5:6] = 2
    predicted = np.where(truth > 0, truth, 0)
    predicted[[0, 2, 4]] = 1
    table = ClassTable(CLASSES.rows, zero="painted-slices")
    pair = LabelPair("stack", label_image(truth, classes=table), label_image(predicted))
    overall = run([pair])[1].total.scores.overall
    assert overall.n_truth == 2 * 64
    assert overall.iou == 1.0
    objects = run([pair], objects=True)[1].total.objects
    assert all(scores.n_predicted == scores.n_truth == 1 for scores in objects)


def test_classes_of_both_sides_are_scored():
    truth, prediction = class_table("myelin"), class_table("myelin", "axon")
    classes = common_classes([truth], [prediction])
    pair = LabelPair("image", label_image([[0, 1, 1]]), label_image([[0, 1, 2]]))
    scores = run([pair], classes=classes)[1].total.scores
    assert [row.iou for row in scores.classes] == [1.0, 0.5, 0.0]


def test_objects_are_the_components_of_each_class():
    truth = [[1, 1, 0, 1, 2, 2, 2, 2]]
    predicted = [[1, 1, 0, 0, 2, 2, 0, 2]]
    pair = LabelPair("image", label_image(truth), label_image(predicted))
    objects = run([pair], objects=True)[1].total.objects
    found = {(s.class_name, s.threshold): s for s in objects}
    myelin, axon = found["myelin", 0.5], found["axon", 0.5]
    assert (myelin.n_truth, myelin.n_predicted, myelin.n_matched) == (2, 1, 1)
    assert (axon.n_truth, axon.n_predicted, axon.n_matched) == (1, 2, 1)
    assert found["axon", 0.75].n_matched == 0


def test_object_ids_are_used_as_they_are():
    ids = np.array([[7, 7, 900, 900, 0, 2**40]])
    nuclei = class_table("nucleus", is_objects=True)
    truth = label_image(ids, classes=nuclei)
    by_ids = LabelPair("image", truth, label_image(ids * 3, classes=nuclei))
    scores = run([by_ids], classes=nuclei, objects=True)[1].total.objects[0]
    assert (scores.n_truth, scores.n_predicted, scores.n_matched) == (3, 3, 3)

    foreground = label_image((ids > 0) * np.uint8(1), classes=class_table("nucleus"))
    merged = LabelPair("image", truth, foreground)
    report = run([merged], classes=nuclei, objects=True)[1]
    scores = report.total.objects[0]
    assert (scores.n_truth, scores.n_predicted, scores.n_matched) == (3, 2, 2)
    assert report.total.scores.overall.iou == 1.0


def test_ids_start_anew_in_each_item_and_image():
    movie = np.zeros((2, 4, 4), np.uint8)
    movie[0, 0, :2] = movie[1, 3, :2] = 1
    labels = LabelImage(movie, "TYX", classes=class_table("cell", is_objects=True))
    pairs = [LabelPair(name, labels, labels) for name in ("a", "b")]
    report = run(pairs, classes=labels.classes, objects=True, iou_thresholds=(0.5,))[1]
    assert report.images[0].objects[0].n_truth == 2
    assert report.total.objects[0].n_matched == 4


def test_objects_in_unlabelled_voxels_do_not_count():
    truth = label_image([[0, 0, 1, 1, 0, 255, 255, 255]])
    predicted = label_image([[0, 0, 1, 1, 0, 1, 1, 1]])
    pair = LabelPair("image", truth, predicted)
    scores = run([pair], objects=True)[1].total.objects[0]
    assert (scores.n_truth, scores.n_predicted, scores.n_matched) == (1, 1, 1)


def test_objects_are_only_scored_when_asked():
    report = run([random_pair(0)])[1]
    assert report.total.objects is None
    assert report.images[0].objects is None
    assert report.to_part_rows("objects") == []


def test_stop_leaves_out_what_is_not_done():
    control = RunControl()
    evaluation = iter_evaluation(
        [random_pair(0), random_pair(1)], classes=CLASSES, control=control
    )
    first = next(event for event in evaluation if isinstance(event, ImageScored))
    control.stop()
    with pytest.raises(StopIteration) as stop:
        next(evaluation)
    report = stop.value.value
    assert report.images == (first.scores,)
    assert report.total.scores == first.scores.scores
    assert not report.is_complete


def test_stop_before_the_first_image_gives_an_empty_report():
    control = RunControl()
    control.stop()
    events, report = run([random_pair(0)], objects=True, control=control)
    assert events == []
    assert report.total.scores.overall.iou is None
    assert report.total.objects is None


def test_sizes_are_checked_before_anything_is_scored():
    wrong = LabelPair("b", label_image(np.zeros((4, 4))), label_image(np.zeros((4, 5))))
    with pytest.raises(DataError, match=r"b differ in size: 4×4 .* against 4×5"):
        next(iter_evaluation([random_pair(0), wrong], classes=CLASSES))


def test_nothing_to_compare_is_refused():
    with pytest.raises(DataError, match="no pair"):
        run([])
    ignored = ClassTable((ClassInfo(0, "unlabelled", "#808080", "unlabelled"),))
    with pytest.raises(DataError, match="Every label value is unlabelled"):
        run([random_pair(0)], classes=ignored)


def test_ground_truth_without_a_labelled_voxel_is_refused():
    pair = LabelPair("image", label_image([[255, 255]]), label_image([[0, 1]]))
    with pytest.raises(DataError, match="no labelled voxel"):
        run([pair])


def test_labels_that_are_not_whole_numbers_are_refused():
    pair = LabelPair("image", label_image([[0.0, 0.5]]), label_image([[0, 1]]))
    with pytest.raises(DataError, match="whole number"):
        run([pair])
