from __future__ import annotations

import csv
import gc
import subprocess
import sys
import time
import weakref
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import Qt
from tests.ui.runs import finished_run

from napari_segtrain import evaluate
from napari_segtrain.config import EvaluationConfig
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.ui.classes.class_metadata import write_class_table
from napari_segtrain.ui.compare import comparison
from napari_segtrain.ui.compare.comparison_widget import ComparisonWidget
from napari_segtrain.ui.compare.error_layer import is_error_map
from napari_segtrain.ui.compare.overlap import overlay_labels
from napari_segtrain.workflows.run_info import read_run_info

CLASSES = ClassTable(
    (
        ClassInfo(0, "background", "#000000", "background"),
        ClassInfo(1, "myelin", "#e6194b"),
        ClassInfo(2, "axon", "#3cb44b"),
    )
)


def volume(seed: int = 0) -> np.ndarray:
    """Two classes in blocks, none in the last slice."""
    blocks = np.random.default_rng(seed).integers(0, 3, (6, 8, 10))
    blocks[-1] = 0
    return blocks.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)


def shifted(array: np.ndarray) -> np.ndarray:
    return np.roll(array, (1, 2), (-2, -1))


def add(viewer: ViewerModel, array, name: str, **kwargs) -> Labels:
    layer = Labels(array, name=name, **kwargs)
    viewer.add_layer(layer)
    return layer


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    truth = add(viewer, volume(), "truth", scale=(3, 1, 1))
    write_class_table(truth, CLASSES)
    add(viewer, shifted(volume()), "result", scale=(3, 1, 1))
    return viewer


@pytest.fixture
def dock(qtbot, viewer):
    widget = open_dock(qtbot, viewer)
    yield widget
    widget.cancel()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=10_000)


def open_dock(qtbot, viewer) -> ComparisonWidget:
    widget = ComparisonWidget(viewer)
    qtbot.addWidget(widget)
    widget.resize(400, 700)
    widget.show()
    return widget


def compare(qtbot, dock: ComparisonWidget) -> None:
    with qtbot.waitSignal(dock.ended, timeout=20_000):
        qtbot.mouseClick(dock.compare_button, Qt.MouseButton.LeftButton)
    assert not dock.is_running


def shown(table) -> list[list[str]]:
    lines = [line.split("\t") for line in table.text().splitlines()]
    return lines[1:]


def errors_of(viewer: ViewerModel) -> Labels:
    (layer,) = (layer for layer in viewer.layers if is_error_map(layer))
    return layer


def test_the_table_holds_the_scores_of_the_core(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    expected = evaluate(viewer.layers["truth"].data, viewer.layers["result"].data)
    rows = shown(dock.view.table)
    assert [row[0] for row in rows] == ["background", "myelin", "axon", "overall"]
    for row, scores in zip(rows, expected.total.scores.classes, strict=False):
        found = [float(cell) for cell in row[1:5]]
        wanted = [scores.iou, scores.dice, scores.precision, scores.recall]
        assert found == pytest.approx(wanted)
        assert int(row[5]) == scores.n_truth
    assert float(rows[-1][1]) == pytest.approx(expected.iou)
    accuracy = expected.total.scores.overall.accuracy
    assert f"{accuracy:.1%} of 7,680 voxels are right." in dock.view.summary.text()
    assert dock.messages.isHidden()


def test_the_error_map_follows_its_definition(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    truth, result = viewer.layers["truth"], viewer.layers["result"]
    expected = np.zeros(truth.data.shape, np.uint8)
    expected[(truth.data > 0) & (result.data == truth.data)] = 1
    expected[(truth.data == 0) & (result.data > 0)] = 2
    expected[(truth.data > 0) & (result.data == 0)] = 3
    both = (truth.data > 0) & (result.data > 0)
    expected[both & (truth.data != result.data)] = 4
    layer = errors_of(viewer)
    np.testing.assert_array_equal(layer.data, expected)
    assert tuple(layer.scale) == tuple(truth.scale)
    names = dict(zip(layer.features["index"], layer.features["class"], strict=True))
    assert names == {
        1: "true positive", 2: "false positive", 3: "false negative", 4: "wrong class"
    }  # fmt: skip


def test_the_error_map_is_added_once(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    layer, n_layers = errors_of(viewer), len(viewer.layers)
    viewer.layers["result"].data = viewer.layers["truth"].data.copy()
    qtbot.mouseClick(dock.again_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.is_running, timeout=10_000)
    assert errors_of(viewer) is layer
    assert len(viewer.layers) == n_layers
    assert set(np.unique(layer.data)) <= {0, 1}


def test_the_error_map_shows_errors_that_were_not_there_before(
    qtbot, dock, viewer
) -> None:
    one = (volume() == 1).astype(np.uint8)
    for layer in (viewer.layers["truth"], viewer.layers["result"]):
        layer.data = one
        write_class_table(layer, ClassTable(CLASSES.rows[:2]))
    compare(qtbot, dock)
    layer = errors_of(viewer)
    assert list(layer.features["index"]) == [1, 2, 3]
    for other, array in (("truth", volume()), ("result", shifted(volume()))):
        viewer.layers[other].data = array
        write_class_table(viewer.layers[other], CLASSES)
    compare(qtbot, dock)
    assert errors_of(viewer) is layer
    assert list(layer.features["index"]) == [1, 2, 3, 4]
    assert layer.get_color(4)[3] == 1


def test_the_error_map_cannot_be_chosen_and_takes_no_focus(qtbot, dock, viewer) -> None:
    viewer.layers.selection.active = viewer.layers["truth"]
    compare(qtbot, dock)
    assert errors_of(viewer) not in dock.form.truth_choice.layers()
    assert viewer.layers.selection.active is viewer.layers["truth"]


def test_without_the_error_map(qtbot, dock, viewer) -> None:
    dock.errors_box.setChecked(False)
    compare(qtbot, dock)
    assert not any(is_error_map(layer) for layer in viewer.layers)
    dock.errors_box.setChecked(True)
    assert errors_of(viewer).visible
    dock.errors_box.setChecked(False)
    assert not errors_of(viewer).visible


def test_a_click_on_the_curve_moves_the_viewer(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    qtbot.wait(20)
    curve = dock.view.curve
    qtbot.mouseClick(
        curve.viewport(),
        Qt.MouseButton.LeftButton,
        pos=curve.slice_point(4).toPoint(),
    )
    assert viewer.dims.point[0] == 12
    assert curve.present == pytest.approx(4)
    assert dock.view.readout.text().startswith("slice 4: myelin 0.")


def test_the_mark_follows_the_viewer(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    viewer.dims.set_point(0, 6)
    assert dock.view.curve.present == pytest.approx(2)


def test_scores_of_slices_are_those_of_the_slices(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    viewer.dims.set_point(0, 9)
    truth, result = viewer.layers["truth"].data[3], viewer.layers["result"].data[3]
    both = ((truth == 1) & (result == 1)).sum()
    either = ((truth == 1) | (result == 1)).sum()
    assert f"myelin {both / either:.3f}" in dock.view.readout.text()


def test_the_worst_slices_are_named(qtbot, dock, viewer) -> None:
    viewer.layers["result"].data[2] = 0
    compare(qtbot, dock)
    text = dock.view.worst.text()
    assert text.index("slice 2") < text.index("(0.00)")
    dock.view.worst.linkActivated.emit("0")
    assert viewer.dims.point[0] == 6


def test_sorting_by_a_score(qtbot, dock) -> None:
    compare(qtbot, dock)
    dock.view.table.sortItems(1, Qt.SortOrder.AscendingOrder)
    scores = [float(row[1]) for row in shown(dock.view.table)]
    assert scores == sorted(scores)


def test_objects_when_asked_for(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    assert dock.view.parts.tables["objects"].isHidden()
    dock.form.objects_box.setChecked(True)
    compare(qtbot, dock)
    rows = shown(dock.view.parts.tables["objects"])
    assert [row[:2] for row in rows[::2]] == [["myelin", "0.5"], ["axon", "0.5"]]
    expected = evaluate(
        viewer.layers["truth"].data, viewer.layers["result"].data, objects=True
    )
    f1 = [float(row[2]) for row in rows]
    wanted = [scores.f1 for scores in expected.total.objects]
    assert f1 == pytest.approx(wanted, abs=1e-3)
    assert not dock.view.parts.tables["object_summary"].isHidden()
    assert dock.view.parts.tables["boundaries"].isHidden()


def test_the_error_map_shows_split_and_merged_objects(qtbot, dock, viewer) -> None:
    cells = np.zeros((6, 32, 40), np.uint8)
    cells[:, 4:14, 4:24], cells[:, 4:14, 26:36] = 1, 1
    cells[:, 18:28, 4:36] = 1
    found = cells.copy()
    found[:, 4:14, 24:26] = 1
    found[:, 18:28, 20:22] = 0
    viewer.layers["truth"].data, viewer.layers["result"].data = cells, found
    dock.form.objects_box.setChecked(True)
    compare(qtbot, dock)
    layer = errors_of(viewer)
    (summary,) = dock.comparison.report.total.summaries[:1]
    assert (summary.n_split, summary.n_merged) == (1, 1)
    expected = np.where(cells, np.where(np.arange(32)[:, None] < 16, 6, 5), 0)
    expected[:, 4:14, 24:26], expected[:, 18:28, 20:22] = 2, 3
    np.testing.assert_array_equal(layer.data, expected)
    assert layer.features["class"].tolist()[-2:] == ["split object", "merged objects"]
    assert "merged" in dock.view.legend.text()
    dock.form.objects_box.setChecked(False)
    compare(qtbot, dock)
    assert "split object" not in layer.features["class"].tolist()
    assert "merged" not in dock.view.legend.text()
    assert np.unique(layer.data).tolist() == [0, 1, 2, 3]


def test_only_painted_voxels_count(qtbot, viewer) -> None:
    truth = viewer.layers["truth"]
    rows = (ClassInfo(0, "unlabelled", "#808080", "unlabelled"), *CLASSES.rows[1:])
    write_class_table(truth, ClassTable(rows, zero="unlabelled"))
    dock = open_dock(qtbot, viewer)
    compare(qtbot, dock)
    n = int((truth.data > 0).sum())
    text = dock.view.summary.text()
    assert f"of {n:,} voxels are right; {7680 - n:,} are not labelled" in text


def test_classes_meet_by_name(qtbot, viewer) -> None:
    result = viewer.layers["result"]
    swapped = np.choose(viewer.layers["truth"].data, [0, 7, 5]).astype(np.uint8)
    result.data = swapped
    rows = (
        CLASSES.rows[0],
        ClassInfo(7, "myelin", "#e6194b"),
        ClassInfo(5, "axon", "#3cb44b"),
    )
    write_class_table(result, ClassTable(rows))
    dock = open_dock(qtbot, viewer)
    compare(qtbot, dock)
    assert dock.comparison.report.iou == 1


def test_the_overlap_is_compared_and_named(qtbot, viewer) -> None:
    truth = viewer.layers["truth"]
    viewer.layers.remove("result")
    part = truth.data[2:, :, 5:].copy()
    add(viewer, part, "part", scale=(3, 1, 1), translate=(6, 0, 5))
    dock = open_dock(qtbot, viewer)
    compare(qtbot, dock)
    assert dock.comparison.report.iou == 1
    dash = "\N{EN DASH}"
    text = f"where both have voxels: Z 2{dash}5, X 5{dash}39 (ground truth)."
    assert text in dock.view.summary.text()
    np.testing.assert_array_equal(errors_of(viewer).translate, (6, 0, 5))
    assert dock.view.curve.slices == (2, 3, 4, 5)
    viewer.layers["part"].data[1] = 0
    compare(qtbot, dock)
    viewer.dims.set_point(0, 9)
    assert dock.view.readout.text() == "slice 3: myelin 0.000, axon 0.000"
    dock.view.curve.slice_clicked.emit(4)
    assert viewer.dims.point[0] == 12


def test_units_that_differ_meet_in_the_world(qtbot) -> None:
    viewer = ViewerModel()
    one = add(viewer, volume(), "a", scale=(1, 0.5, 0.5), units=("um",) * 3)
    other = add(viewer, volume(), "b", scale=(1000, 500, 500), units=("nm",) * 3)
    assert overlay_labels(one, other).overlap.is_whole


def test_a_turned_pair_meets_where_it_is_turned_alike() -> None:
    place = {"rotate": 30, "scale": (2, 2)}
    one = Labels(volume()[0], **place)
    far = one.data_to_world((3, 4))
    other = Labels(volume()[0], translate=far, **place)
    overlap = overlay_labels(one, other).overlap
    assert overlap.truth_start == (3, 4)
    assert overlap.shape == (29, 36)


def test_times_and_slices_have_a_curve_each(qtbot) -> None:
    viewer = ViewerModel()
    series = np.stack([volume(seed) for seed in range(3)])
    add(viewer, series, "truth")
    result = series.copy()
    result[1, 4] = 0
    add(viewer, result, "result")
    dock = open_dock(qtbot, viewer)
    compare(qtbot, dock)
    viewer.dims.set_point((0, 1), (1, 0))
    assert dock.view.axis() == "Z"
    assert dock.view.curve.slices == tuple(range(6))
    assert dock.view.readout.text().startswith("time 1, slice 0")
    assert "time 1, slice 4" in dock.view.worst.text()
    dock.view.worst.linkActivated.emit("0")
    assert viewer.dims.point[:2] == (1, 4)
    dock.view.axis_choice.setCurrentIndex(1)
    assert dock.view.curve.slices == (0, 1, 2)
    dock.view.curve.slice_clicked.emit(2)
    assert viewer.dims.point[:2] == (2, 4)


def test_a_picture_has_no_curve(qtbot) -> None:
    viewer = ViewerModel()
    add(viewer, volume()[0], "truth")
    add(viewer, shifted(volume()[0]), "result")
    dock = open_dock(qtbot, viewer)
    compare(qtbot, dock)
    assert dock.view.slices.isHidden()
    assert dock.view.table.isVisible()


@pytest.mark.parametrize("is_large", [False, True])
def test_lazy_labels_stay_lazy(qtbot, monkeypatch, is_large) -> None:
    """Of large ones the error map is lazy, too, and the same."""
    monkeypatch.setattr(comparison, "_LARGE", 100 if is_large else 1 << 30)
    viewer = ViewerModel()
    store = da.from_array(volume(), chunks=(1, 32, 40))
    add(viewer, store, "truth")
    add(viewer, shifted(store), "result")
    dock = open_dock(qtbot, viewer)
    compare(qtbot, dock)
    expected = evaluate(volume(), shifted(volume()))
    assert dock.comparison.report.iou == expected.iou
    assert isinstance(viewer.layers["truth"].data, da.Array)
    errors = errors_of(viewer).data
    assert isinstance(errors, da.Array if is_large else np.ndarray)
    hits = (volume() > 0) & (volume() == shifted(volume()))
    np.testing.assert_array_equal(np.asarray(errors) == 1, hits)


def edit_by_painting(truth: Labels) -> None:
    truth.paint((1, 4, 4), 2)


def edit_by_new_data(truth: Labels) -> None:
    truth.data = np.zeros_like(truth.data)


def edit_by_a_script(truth: Labels) -> None:
    truth.data[:2] = 0
    truth.refresh()


def move(truth: Labels) -> None:
    truth.translate = (3, 0, 0)


EDITS = [edit_by_painting, edit_by_new_data, edit_by_a_script, move]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_puts_the_results_out_of_date(qtbot, dock, viewer, edit) -> None:
    compare(qtbot, dock)
    assert not dock.is_stale
    assert dock.again_button.isHidden()
    edit(viewer.layers["truth"])
    qtbot.waitUntil(lambda: dock.is_stale, timeout=5000)
    assert "'truth' was" in dock.stale_bar.text
    assert "out of date" in dock.stale_bar.text
    with qtbot.waitSignal(dock.ended, timeout=20_000):
        qtbot.mouseClick(dock.again_button, Qt.MouseButton.LeftButton)
    assert not dock.is_stale


def test_undoing_puts_the_results_out_of_date(qtbot, dock, viewer) -> None:
    viewer.layers["truth"].paint((1, 4, 4), 2)
    compare(qtbot, dock)
    viewer.layers["truth"].undo()
    qtbot.waitUntil(lambda: dock.is_stale, timeout=5000)


def test_looking_around_does_not(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    for position in range(5):
        viewer.dims.set_point(0, position)
    viewer.layers["truth"].refresh()
    viewer.layers["truth"].opacity = 0.3
    viewer.layers["truth"].contour = 1
    qtbot.wait(900)
    assert not dock.is_stale


def test_an_edit_during_the_comparison_counts(qtbot, dock, viewer) -> None:
    with qtbot.waitSignal(dock.ended, timeout=20_000):
        dock.compare()
        viewer.layers["result"].paint((1, 4, 4), 2)
    assert dock.comparison is not None
    assert "'result' was edited" in dock.stale_bar.text


def test_a_click_on_a_bad_object_shows_it(qtbot, dock, viewer) -> None:
    dock.form.objects_box.setChecked(True)
    compare(qtbot, dock)
    table = dock.view.parts.worst_table
    ious = [float(row[0]) for row in shown(table)]
    assert ious == sorted(ious)
    objects = dock.comparison.report.worst_objects(200)
    assert len(objects) == table.rowCount()
    for number in (0, table.rowCount() - 1):
        viewer.dims.set_point(0, 0)
        viewer.scene.camera.center = (0, 0, 0)
        table.selectRow(number)
        row = objects[number]
        assert viewer.dims.current_step[0] == round(row["z"])
        layer = viewer.layers["truth"]
        center = layer.data_to_world([round(row["z"]), row["y"], row["x"]])
        assert viewer.scene.camera.center[-2:] == pytest.approx(center[-2:])
    table.sortItems(4, Qt.SortOrder.DescendingOrder)
    table.clearSelection()
    table.selectRow(0)
    largest = max(objects, key=lambda row: row["voxels"])
    assert viewer.dims.current_step[0] == round(largest["z"])


def test_the_pictures_show_what_the_report_holds(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    pictures = dock.view.pictures
    assert pictures.scatter_folding.isHidden()
    assert pictures.confusion.isHidden() or not pictures.confusion.isVisible()
    pictures.confusion_folding.unfold()
    assert pictures.confusion.isVisible()
    confusion = dock.comparison.report.total.scores.confusion
    assert pictures.confusion.table.counts.tolist() == [[*row[:3]] for row in confusion]
    dock.form.objects_box.setChecked(True)
    compare(qtbot, dock)
    pictures.scatter_folding.unfold()
    assert pictures.scatter.isVisible()
    assert len(pictures.scatter.drawn) == dock.comparison.report.n_objects > 0
    viewer.dims.set_point(0, 0)
    row = dock.comparison.report.worst_objects(1)[0]
    pictures.scatter.object_asked.emit(row)
    assert viewer.dims.current_step[0] == round(row["z"])


def test_other_measures_are_those_of_the_form(qtbot, dock, viewer) -> None:
    config = EvaluationConfig(boundaries=True, tolerance=1.0, exclusion_width=1)
    dock.form.measures.set_config(config)
    compare(qtbot, dock)
    truth, result = (viewer.layers[name].data for name in ("truth", "result"))
    expected = evaluate(truth, result, boundaries=True, tolerance=1, exclusion_width=1)
    assert dock.comparison.report.iou == expected.iou
    rows = shown(dock.view.parts.tables["boundaries"])
    f1 = [scores.f1 for scores in expected.total.boundaries]
    assert [float(row[1]) for row in rows] == pytest.approx(f1, abs=1e-3)
    assert dock.view.parts.tables["objects"].isHidden()
    assert dock.view.parts.worst_table.isHidden()


def test_a_wrong_measure_is_told(qtbot, dock, viewer) -> None:
    config = EvaluationConfig(boundaries=True, tolerance=1.0, unit="um")
    dock.form.measures.set_config(config)
    with qtbot.waitSignal(dock.ended, timeout=20_000):
        dock.compare()
    assert "voxel size of a ground truth is not known" in dock.messages.text


@pytest.mark.parametrize("suffix", [".html", ".pdf", ".xlsx", ".json"])
def test_reports_are_saved(qtbot, dock, tmp_path: Path, suffix: str) -> None:
    compare(qtbot, dock)
    path = tmp_path / f"report{suffix}"
    dock.ask_path = lambda: path
    dock.save()
    qtbot.waitUntil(lambda: "Saved" in dock.messages.text, timeout=20_000)
    start = {".html": b"<!DOCTYPE", ".pdf": b"%PDF", ".xlsx": b"PK", ".json": b"{"}
    assert path.read_bytes().startswith(start[suffix])
    if suffix == ".html":
        text = path.read_text("utf-8")
        assert "truth" in text
        assert "result" in text


def test_the_tables_are_saved(qtbot, dock, tmp_path: Path) -> None:
    dock.form.objects_box.setChecked(True)
    compare(qtbot, dock)
    dock.ask_path = lambda: tmp_path / "scores.csv"
    qtbot.mouseClick(dock.save_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Saved" in dock.messages.text, timeout=10_000)
    with (tmp_path / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    report = dock.comparison.report
    assert [row["class"] for row in rows[:2]] == ["background", "myelin"]
    assert float(rows[-1]["iou"]) == pytest.approx(report.iou)
    assert (tmp_path / "scores_slices.csv").exists()
    assert (tmp_path / "scores_objects.csv").exists()
    assert "scores_slices.csv" in dock.messages.text


def test_a_table_that_cannot_be_written(qtbot, dock, tmp_path: Path) -> None:
    compare(qtbot, dock)
    (tmp_path / "file").touch()
    dock.ask_path = lambda: tmp_path / "file" / "scores.csv"
    dock.save()
    qtbot.waitUntil(lambda: dock.messages.level == "error", timeout=10_000)
    assert "scores" in dock.messages.text or "file" in dock.messages.text


def test_saving_can_be_called_off(qtbot, dock) -> None:
    compare(qtbot, dock)
    dock.ask_path = lambda: None
    dock.save()
    assert dock.messages.isHidden()


def test_cancel_keeps_the_results_before(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    before = dock.comparison
    dock.compare()
    assert dock.cancel_button.isVisible()
    assert not dock.compare_button.isVisible()
    with qtbot.waitSignal(dock.ended, timeout=20_000):
        qtbot.mouseClick(dock.cancel_button, Qt.MouseButton.LeftButton)
    assert dock.comparison is before or dock.comparison.report == before.report
    assert dock.compare_button.isVisible()


def test_cancel_ends_the_reading_of_the_values(qtbot, viewer) -> None:
    """A segmentation that takes long: each time is computed when it is read."""
    n_read = []

    def slow(block):
        n_read.append(1)
        time.sleep(0.05)
        return block

    store = da.from_array(np.stack([volume()] * 60), chunks=(1, 6, 32, 40))
    viewer.layers.clear()
    add(viewer, store, "truth")
    add(viewer, store.map_blocks(slow, dtype=np.uint8), "slow")
    dock = open_dock(qtbot, viewer)
    n_read.clear()
    dock.compare()
    qtbot.waitUntil(lambda: len(n_read) > 2, timeout=10_000)
    with qtbot.waitSignal(dock.ended, timeout=60_000):
        dock.cancel()
    assert dock.comparison is None
    assert len(n_read) < 60


def add_result(viewer: ViewerModel, name: str, **values) -> Labels:
    """A segmentation as the Predict dock adds it."""
    layer = add(viewer, volume(), name)
    stored = {"kind": "segmentation", "layer_id": str(layer.unique_id), **values}
    layer.metadata = {"segtrain": {"result": stored}}
    return layer


def test_the_newest_segmentation_and_its_truth_are_chosen(qtbot) -> None:
    viewer = ViewerModel()
    add(viewer, volume()[:4], "strokes of another")
    add_result(viewer, "my segmentation")
    truth = add(viewer, volume(), "painted")
    newest = add_result(viewer, "newest")
    add(viewer, volume()[:, :, :20], "small")
    dock = open_dock(qtbot, viewer)
    assert dock.form.prediction_choice.layer() is newest
    assert dock.form.truth_choice.layer() is truth
    after = add_result(viewer, "after that")
    qtbot.wait(20)
    assert dock.form.prediction_choice.layer() is after
    assert dock.form.truth_choice.layer() is truth


@pytest.mark.parametrize("is_seen", [True, False])
def test_training_images_are_hinted_at(qtbot, tmp_path: Path, is_seen) -> None:
    run = finished_run(tmp_path / "run")
    source = read_run_info(run).images[0] if is_seen else "another image"
    viewer = ViewerModel()
    add(viewer, volume(), "truth")
    add_result(viewer, "segmentation", run=str(run), source=source)
    dock = open_dock(qtbot, viewer)
    compare(qtbot, dock)
    hint = f"trained on an image named '{source}'"
    assert (hint in dock.messages.text) == is_seen
    assert dock.messages.isHidden() == (not is_seen)


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_part_that_was_not_predicted_is_hinted_at(qtbot, is_whole) -> None:
    viewer = ViewerModel()
    add(viewer, volume(), "truth")
    add_result(viewer, "segmentation", is_whole=is_whole)
    dock = open_dock(qtbot, viewer)
    compare(qtbot, dock)
    is_hinted = "Only a part of the image was predicted" in dock.messages.text
    assert is_hinted != is_whole


def test_a_copy_of_an_error_map_is_left_alone(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    data, attributes, _ = errors_of(viewer).as_layer_data_tuple()
    copy = Labels(data.copy(), **{**attributes, "name": "kept"})
    viewer.add_layer(copy)
    viewer.layers["result"].data = viewer.layers["truth"].data.copy()
    compare(qtbot, dock)
    np.testing.assert_array_equal(copy.data, data)
    assert copy not in dock.form.truth_choice.layers()


def test_a_choice_of_the_user_holds(qtbot, dock, viewer) -> None:
    qtbot.keyClicks(dock.form.prediction_choice, "t")
    assert dock.form.prediction_choice.layer() is viewer.layers["truth"]
    add_result(viewer, "after that")
    qtbot.wait(20)
    assert dock.form.prediction_choice.layer() is viewer.layers["truth"]


def test_the_dock_keeps_no_viewer_alive(qtbot) -> None:
    viewer = ViewerModel()
    add(viewer, volume(), "truth")
    add(viewer, volume(), "result")
    dock = open_dock(qtbot, viewer)
    compare(qtbot, dock)
    gone = weakref.ref(viewer)
    del viewer
    gc.collect()
    assert gone() is None
    dock.view.curve.slice_clicked.emit(1)


def test_everything_is_reached_by_keys(qtbot, dock) -> None:
    compare(qtbot, dock)
    reached, widget = [], dock.form.truth_choice
    while widget not in reached:
        reached.append(widget)
        widget = widget.nextInFocusChain()
    tab = Qt.FocusPolicy.TabFocus
    reached = [w for w in reached if w.focusPolicy() & tab and w.isVisible()]
    wanted = {
        dock.form.prediction_choice, dock.form.target_choice, dock.form.objects_box,
        dock.errors_box,
        dock.compare_button, dock.view.table, dock.view.curve, dock.save_button,
    }  # fmt: skip
    assert wanted <= set(reached)
    assert reached.index(dock.compare_button) < reached.index(dock.view.table)


def test_nothing_is_cut_off_in_a_narrow_dock(qtbot, dock, viewer) -> None:
    viewer.layers["truth"].name = "a very long name of a very long ground truth layer"
    dock.form.objects_box.setChecked(True)
    compare(qtbot, dock)
    viewer.layers["result"].paint((1, 4, 4), 2)
    pictures = dock.view.pictures
    for folding in (pictures.confusion_folding, pictures.scatter_folding):
        folding.unfold()
    dock.swipe_box.box.click()
    dock.resize(dock.minimumSizeHint().width(), 600)
    qtbot.wait(20)
    assert dock.width() <= 330
    for widget in (
        dock.form.truth_choice,
        dock.form.target_choice,
        dock.again_button,
        dock.view.table,
        dock.view.curve,
        *(pictures.confusion, pictures.scatter, dock.swipe_box.right_choice),
        dock.save_button,
    ):
        right = widget.mapTo(dock, widget.rect().topRight()).x()
        assert right < dock.width()
    for table in (dock.view.table, dock.view.parts.tables["objects"]):
        rows = sum(table.rowHeight(y) for y in range(table.rowCount()))
        assert table.viewport().height() >= rows
        assert table.columnWidth(0) > 40


def test_no_torch(qtbot, dock) -> None:
    compare(qtbot, dock)
    code = (
        "import sys, napari_segtrain.ui.compare.comparison_widget, "
        "napari_segtrain.workflows.evaluation; "
        "print(sorted({'torch', 'monai'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_ground_truth_with_other_numbers_is_named_in_the_dock(qtbot) -> None:
    viewer = ViewerModel()
    strokes = ClassTable(
        (
            ClassInfo(1, "background", "#000000", "background"),
            ClassInfo(2, "myelin", "#e6194b"),
            ClassInfo(3, "axon", "#3cb44b"),
        ),
        zero="unlabelled",
    )
    add(viewer, volume(), "truth")
    write_class_table(add(viewer, volume() + 1, "result"), strokes)
    dock = open_dock(qtbot, viewer)
    dock.form.truth_choice.set_layer(viewer.layers["truth"])
    dock.form.prediction_choice.set_layer(viewer.layers["result"])
    compare(qtbot, dock)
    assert dock.comparison is None
    assert "Classes of the ground truth" in dock.messages.text
    dock.form.truth_classes.toggleButton().click()
    table = dock.form.truth_classes.table
    qtbot.waitUntil(lambda: len(table.shown.rows) == 3, timeout=10_000)
    table.grid.name_edited.emit(1, "myelin")
    table.grid.name_edited.emit(2, "axon")
    compare(qtbot, dock)
    assert dock.comparison is not None
    assert dock.comparison.report.iou == 1.0


def test_the_error_map_lies_above_what_came_later(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    add(viewer, shifted(volume()), "later", scale=(3, 1, 1))
    compare(qtbot, dock)
    assert is_error_map(viewer.layers[-1])


def test_an_object_is_shown_again_when_it_is_clicked_again(qtbot, dock, viewer) -> None:
    dock.form.objects_box.setChecked(True)
    compare(qtbot, dock)
    table = dock.view.parts.worst_table
    rect = table.visualItemRect(table.item(0, 0))
    for _ in range(2):
        with qtbot.waitSignal(dock.view.object_asked):
            qtbot.mouseClick(
                table.viewport(), Qt.MouseButton.LeftButton, pos=rect.center()
            )


def test_a_value_that_both_sides_have_is_a_class(qtbot, dock, viewer) -> None:
    for layer in viewer.layers:
        layer.data = volume()
        layer.data[2, 4:10, 4:10] = 7
        write_class_table(layer, CLASSES)
    compare(qtbot, dock)
    overall = dock.comparison.report.total.scores.overall
    assert overall.iou == 1
    assert overall.accuracy == 1
