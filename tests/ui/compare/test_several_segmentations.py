"""Several segmentations against one ground truth, in the Compare dock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from tests.ui.compare.test_comparison_widget import (
    CLASSES,
    add,
    compare,
    errors_of,
    open_dock,
    shifted,
    shown,
    volume,
)

from napari_segtrain import evaluate
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.ui.classes.class_metadata import write_class_table
from napari_segtrain.ui.compare.comparison_widget import ComparisonWidget


@pytest.fixture
def viewer() -> ViewerModel:
    """Ground truth, a good segmentation, and a bad one on top of it."""
    viewer = ViewerModel()
    write_class_table(add(viewer, volume(), "truth", scale=(3, 1, 1)), CLASSES)
    good = volume().copy()
    good[0] = 0
    add(viewer, shifted(volume()), "bad", scale=(3, 1, 1))
    add(viewer, good, "good", scale=(3, 1, 1))
    return viewer


@pytest.fixture
def dock(qtbot, viewer):
    widget = open_dock(qtbot, viewer)
    widget.form.choose(viewer.layers["truth"], viewer.layers["good"])
    yield widget
    widget.cancel()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=10_000)


def tick(dock: ComparisonWidget, *names: str) -> None:
    """Check further layers beside the good one."""
    layers = {layer.name: layer for layer in dock.form.layers()}
    dock.form.choose(layers["truth"], layers["good"])
    entries = dock.form.further.list
    for y in range(entries.count()):
        item = entries.item(y)
        is_wanted = item.text() in names
        item.setCheckState(
            Qt.CheckState.Checked if is_wanted else Qt.CheckState.Unchecked
        )


def rows_of(dock: ComparisonWidget) -> list[list[str]]:
    """Cells of the table of segmentations, all digits, as they are sorted."""
    table = dock.segmentations.table
    table.clearSelection()
    return shown(table)


def offered(dock: ComparisonWidget) -> list[str]:
    entries = dock.form.further.list
    return [entries.item(y).text() for y in range(entries.count())]


def test_each_has_the_scores_it_has_alone(qtbot, dock, viewer) -> None:
    tick(dock, "bad")
    compare(qtbot, dock)
    truth = viewer.layers["truth"].data
    rows = rows_of(dock)
    assert [row[0] for row in rows] == ["good", "bad"]
    for row in rows:
        alone = evaluate(truth, viewer.layers[row[0]].data)
        assert float(row[1]) == pytest.approx(alone.iou)
        assert float(row[2]) == pytest.approx(alone.dice)
    assert dock.segmentations.isVisible()
    assert dock.segmentations.verdict.text().startswith("good is better")


def test_a_click_shows_the_details_and_errors_of_one(qtbot, dock, viewer) -> None:
    tick(dock, "bad")
    compare(qtbot, dock)
    assert "<b>good</b>" in dock.view.title.text()
    assert errors_of(viewer).name == "errors of good"
    dock.segmentations.table.sortItems(1, Qt.SortOrder.AscendingOrder)
    dock.segmentations.table.clearSelection()
    dock.segmentations.table.selectRow(0)
    assert "<b>bad</b>" in dock.view.title.text()
    assert errors_of(viewer).name == "errors of bad"
    overall = shown(dock.view.table)[-1]
    assert float(overall[1]) == pytest.approx(dock.comparison.report.iou)
    wrong = evaluate(viewer.layers["truth"].data, viewer.layers["bad"].data)
    assert dock.comparison.report.iou == wrong.iou
    bad = viewer.layers["bad"]
    bad.paint((0,) * bad.ndim, 1 + int(bad.data.flat[0] == 1))
    qtbot.waitUntil(lambda: dock.is_stale, timeout=10_000)
    with qtbot.waitSignal(dock.compared, timeout=20_000):
        dock.again_button.click()
    assert "<b>bad</b>" in dock.view.title.text()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=10_000)
    compare(qtbot, dock)
    assert "<b>good</b>" in dock.view.title.text()


def test_objects_have_a_column_when_they_are_matched(qtbot, dock) -> None:
    tick(dock, "bad")
    compare(qtbot, dock)
    assert dock.segmentations.table.columnCount() == 3
    dock.form.objects_box.setChecked(True)
    compare(qtbot, dock)
    rows = rows_of(dock)
    f1 = float(rows[0][3])
    summary = dock.comparison.report.total.objects
    first = [scores.f1 for scores in summary if scores.threshold == 0.5]
    assert f1 == pytest.approx(np.mean(first))


def test_one_alone_has_no_table(qtbot, dock) -> None:
    tick(dock, "bad")
    compare(qtbot, dock)
    tick(dock)
    compare(qtbot, dock)
    assert dock.segmentations.isHidden()
    assert len(dock.results) == 1


def test_of_three_there_is_no_verdict(qtbot, dock, viewer) -> None:
    add(viewer, volume(), "perfect", scale=(3, 1, 1))
    tick(dock, "bad", "perfect")
    compare(qtbot, dock)
    assert sorted(row[0] for row in rows_of(dock)) == [
        "bad", "good", "perfect"
    ]  # fmt: skip
    assert dock.segmentations.verdict.isHidden()


def test_what_is_chosen_above_is_not_offered(qtbot, dock, viewer) -> None:
    assert offered(dock) == ["bad"]
    tick(dock, "bad")
    dock.form.prediction_choice.set_layer(viewer.layers["bad"])
    assert offered(dock) == ["good"]
    assert dock.form.further.layers() == []
    dock.form.prediction_choice.set_layer(viewer.layers["good"])
    assert [layer.name for layer in dock.form.further.layers()] == ["bad"]
    viewer.layers["bad"].name = "worse"
    assert offered(dock) == ["worse"]
    viewer.layers.remove("worse")
    assert dock.form.further.isHidden()


@pytest.mark.parametrize("name", ["truth", "good", "bad"])
def test_an_edit_of_any_layer_counts(qtbot, dock, viewer, name) -> None:
    tick(dock, "bad")
    compare(qtbot, dock)
    layer = viewer.layers[name]
    layer.data[:2] = 1
    layer.refresh()
    qtbot.waitUntil(lambda: dock.is_stale, timeout=5000)
    assert f"'{name}' was edited" in dock.stale_bar.text
    with qtbot.waitSignal(dock.ended, timeout=20_000):
        qtbot.mouseClick(dock.again_button, Qt.MouseButton.LeftButton)
    assert not dock.is_stale
    assert len(dock.results) == 2


def test_the_others_stay_when_one_is_removed(qtbot, dock, viewer) -> None:
    tick(dock, "bad")
    compare(qtbot, dock)
    viewer.layers.remove("good")
    assert "'good' was removed" in dock.stale_bar.text
    dock.segmentations.table.selectRow(1)
    assert errors_of(viewer).name == "errors of bad"
    with qtbot.waitSignal(dock.ended, timeout=20_000):
        qtbot.mouseClick(dock.again_button, Qt.MouseButton.LeftButton)
    assert len(dock.results) == 1
    assert "<b>bad</b>" in dock.view.title.text()


def test_the_truth_removed_leaves_the_scores(qtbot, dock, viewer) -> None:
    tick(dock, "bad")
    compare(qtbot, dock)
    viewer.layers.remove("truth")
    assert dock.again_button.isHidden()
    dock.segmentations.table.selectRow(1)
    assert "<b>bad</b>" in dock.view.title.text()


def test_what_cannot_be_compared_is_named(qtbot) -> None:
    """Its classes have other numbers, and nobody says which are which."""
    viewer = ViewerModel()
    add(viewer, volume(), "truth")
    add(viewer, volume(), "good")
    background = ClassInfo(1, "background", "#000000", "background")
    classes = (ClassInfo(2, "myelin", "#e6194b"), ClassInfo(3, "axon", "#3cb44b"))
    table = ClassTable((background, *classes), zero="unlabelled")
    write_class_table(add(viewer, volume() + 1, "odd"), table)
    dock = open_dock(qtbot, viewer)
    tick(dock, "odd")
    compare(qtbot, dock)
    assert dock.results is None
    assert "'odd' cannot be compared: " in dock.messages.text


def test_parts_that_differ_have_no_verdict(qtbot, dock, viewer) -> None:
    part = volume()[2:].copy()
    add(viewer, part, "part", scale=(3, 1, 1), translate=(6, 0, 0))
    tick(dock, "part")
    compare(qtbot, dock)
    assert "cover different parts" in dock.segmentations.verdict.text()


def test_the_report_names_all_of_them(qtbot, dock, tmp_path: Path) -> None:
    tick(dock, "bad")
    compare(qtbot, dock)
    path = tmp_path / "report.html"
    dock.ask_path = lambda: path
    dock.save()
    qtbot.waitUntil(lambda: "Saved" in dock.messages.text, timeout=20_000)
    text = path.read_text("utf-8")
    assert "Segmentations compared with the same ground truth" in text
    assert "good is better" in text


def test_cancelling_between_them_keeps_the_results_before(qtbot, dock) -> None:
    compare(qtbot, dock)
    before = dock.comparison
    tick(dock, "bad")
    with qtbot.waitSignal(dock.ended, timeout=20_000):
        dock.compare()
        dock.cancel()
    assert dock.comparison is before
    assert not dock.is_stale
