"""The whole evaluation on real labels."""

from __future__ import annotations

import numpy as np
import tifffile
from tests.evaluation.helpers import class_table

from napari_segtrain.config import EvaluationConfig
from napari_segtrain.data.samples import sample_dir
from napari_segtrain.evaluation.evaluate import iter_evaluation
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.image import LabelImage


def evaluate(pairs, classes, **options):
    config = EvaluationConfig(**options)
    evaluation = iter_evaluation(pairs, classes=classes, config=config)
    while True:
        try:
            next(evaluation)
        except StopIteration as stop:
            return stop.value


def read_labels(name):
    folder = sample_dir(name) / "test" / "label"
    return {file.name: tifffile.imread(file) for file in sorted(folder.iterdir())}


def test_shifted_axons_lose_the_same_by_every_measure():
    labels = read_labels("axons")
    for n_voxels, least, most in ((0, 1.0, 1.0), (3, 0.5, 0.95), (40, 0.0, 0.5)):
        pairs = [
            LabelPair(
                name, LabelImage(values), LabelImage(np.roll(values, n_voxels, 1))
            )
            for name, values in labels.items()
        ]
        overall = evaluate(pairs, class_table("myelin", "axon")).total.scores.overall
        for score in (overall.iou, overall.dice, overall.precision, overall.recall):
            assert least <= score <= most


def test_components_of_a_perfect_foreground_find_most_nuclei():
    ids = class_table("nucleus", is_objects=True)
    pairs = [
        LabelPair(
            name,
            LabelImage(values, classes=ids),
            LabelImage(values > 0, classes=class_table("nucleus")),
        )
        for name, values in read_labels("nuclei").items()
    ]
    total = evaluate(pairs, ids, objects=True).total
    n_objects = sum(len(np.unique(p.truth.array)) - 1 for p in pairs)
    assert total.scores.overall.iou == 1.0
    assert total.objects[0].n_truth == n_objects
    assert 0.8 < total.objects[0].f1 < 1.0, "nuclei that touch are merged"
