from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from tests.evaluation.helpers import class_table

from napari_segtrain.evaluation.contingency import Contingency
from napari_segtrain.evaluation.instance import score_objects
from napari_segtrain.evaluation.object_summary import (
    summarize_objects,
)
from napari_segtrain.evaluation.report import EvaluationReport, ImageScores
from napari_segtrain.evaluation.semantic import ConfusionMatrix
from napari_segtrain.evaluation.sums import sum_scores

CLASSES = class_table("myelin", "axon")
MAPS = {
    "first": ([[0, 0, 1, 1, 1, 1]], [[0, 1, 1, 1, 1, 0]]),
    "second": ([[0, 0, 0, 0, 0, 1]], [[0, 0, 0, 0, 0, 0]]),
}


def make_report(*, objects=False):
    total = ConfusionMatrix(3)
    images = []
    for name, maps in MAPS.items():
        truth, predicted = np.array(maps, np.uint8)
        matrix = ConfusionMatrix(3)
        matrix.add(truth, predicted)
        total += matrix
        contingency = Contingency()
        contingency.add(truth, predicted)
        table = contingency.table()
        scores = score_objects(table, class_name="myelin") if objects else None
        summary = (summarize_objects(table, "myelin"),) if objects else None
        images.append(ImageScores(name, matrix.scores(CLASSES), scores, summary))
    summed = sum_scores(image.objects for image in images) if objects else None
    sums = sum_scores(image.summaries for image in images) if objects else None
    everything = ImageScores("all images", total.scores(CLASSES), summed, sums)
    return EvaluationReport(tuple(images), everything, CLASSES)


def read_csv(path):
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def test_a_row_for_each_class_and_one_overall_for_each_image_and_in_total():
    rows = make_report().to_rows()
    names = ["background", "myelin", "axon", "overall"]
    assert [row["class"] for row in rows] == names * 3
    assert [row["image"] for row in rows[::4]] == ["first", "second", "all images"]
    assert rows[1]["iou"] == pytest.approx(3 / 5)
    assert rows[2]["iou"] is None
    assert rows[3]["accuracy"] == pytest.approx(4 / 6)


def test_total_is_not_the_mean_of_the_images():
    myelin = [row for row in make_report().to_rows() if row["class"] == "myelin"]
    assert [row["iou"] for row in myelin] == pytest.approx([3 / 5, 0, 3 / 6])


def test_csv_has_empty_cells_for_undefined_scores(tmp_path):
    make_report().write_csv(tmp_path / "report" / "metrics.csv")
    rows = read_csv(tmp_path / "report" / "metrics.csv")
    assert list(rows[0]) == [
        "image",
        "class",
        "iou",
        "dice",
        "precision",
        "recall",
        "specificity",
        "mcc",
        "truth_voxels",
        "predicted_voxels",
        "accuracy",
        "mean_accuracy",
        "weighted_iou",
        "iou_low",
        "iou_high",
        "dice_low",
        "dice_high",
    ]
    assert rows[2]["iou"] == ""
    assert float(rows[1]["iou"]) == 3 / 5
    files = sorted(path.name for path in (tmp_path / "report").iterdir())
    assert files == ["metrics.csv", "metrics_confusion.csv"]


def test_confusion_of_each_image_and_of_all(tmp_path):
    make_report().write_csv(str(tmp_path / "metrics.csv"))
    rows = read_csv(tmp_path / "metrics_confusion.csv")
    assert [row["image"] for row in rows[::3]] == ["first", "second", "all images"]
    total = {row.pop("true_class"): row for row in rows[-3:]}
    assert list(total) == ["background", "myelin", "axon"]
    assert list(total["myelin"].values()) == ["all images", "2", "3", "0", "0"]
    assert "no prediction" in total["myelin"]


def test_csv_of_objects_lies_beside(tmp_path):
    make_report(objects=True).write_csv(tmp_path / "metrics.csv")
    rows = read_csv(tmp_path / "metrics_objects.csv")
    assert [row["image"] for row in rows[::2]] == ["first", "second", "all images"]
    assert rows[-1]["threshold"] == "0.75"
    assert rows[-2]["n_truth"] == "2"
    assert float(rows[0]["pq"]) == pytest.approx(0.6)
    summaries = read_csv(tmp_path / "metrics_object_summary.csv")
    assert [row["image"] for row in summaries] == ["first", "second", "all images"]
    assert summaries[-1]["count_error"] == "-1"
    assert float(summaries[0]["mean_ap"]) == pytest.approx(0.3)


def test_json_is_strict_and_complete(tmp_path):
    make_report(objects=True).write_json(tmp_path / "metrics.json")
    text = (tmp_path / "metrics.json").read_text("utf-8")
    content = json.loads(text, parse_constant=pytest.fail)
    assert content["format_version"] == 1
    assert content["is_complete"] is True
    assert [row["name"] for row in content["class_table"]] == list(CLASSES.names)
    assert [image["name"] for image in content["images"]] == ["first", "second"]
    assert content["total"]["classes"][2]["iou"] is None
    assert content["total"]["objects"][0]["n_truth"] == 2


def test_table_for_a_terminal():
    lines = make_report(objects=True).format_table().splitlines()
    assert lines[0].split("  ")[0] == "class"
    assert "IoU" in lines[0]
    assert lines[2].split()[:2] == ["myelin", "0.500"]
    assert lines[3].split()[1:] == ["-"] * 6 + ["0", "0"]
    assert len({len(line) for line in lines[:5]}) == 1, "columns are aligned"
    assert any(line.startswith("2 images; overall = mean over") for line in lines)
    assert any(line.split()[:2] == ["second", "0.000"] for line in lines)
    assert "at IoU" in lines[-6]
    assert "mean AP" in lines[-2]


def test_table_of_one_image_does_not_repeat_it():
    report = make_report()
    alone = EvaluationReport(report.images[:1], report.total, CLASSES)
    text = alone.format_table()
    assert "1 image;" in text
    assert "first" not in text


def test_table_says_when_the_evaluation_was_stopped():
    report = make_report()
    stopped = EvaluationReport((), report.total, CLASSES, is_complete=False)
    assert "0 images (stopped before the last image)" in stopped.format_table()
