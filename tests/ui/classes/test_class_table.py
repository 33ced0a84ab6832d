from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog

from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.ui.classes.class_table import ClassTableWidget
from napari_segtrain.ui.layers.new_labels import add_stored_labels, open_stored_labels
from napari_segtrain.ui.layers.reading import read_class_table, write_class_table

COLOR, VALUE, NAME, ROLE, VOXELS = range(5)


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def layer(viewer) -> Labels:
    data = np.zeros((100, 100), np.uint8)
    data[20:60, 20:60] = 1
    data[60:90, 10:50] = 2
    return viewer.add_layer(Labels(data, name="truth"))


@pytest.fixture
def table(qtbot, viewer, layer) -> ClassTableWidget:
    found = ClassTableWidget(viewer)
    qtbot.addWidget(found)
    found.show()
    found.set_layer(layer)
    settle(qtbot, found)
    return found


def settle(qtbot, table: ClassTableWidget) -> None:
    counts = table.counts
    qtbot.waitUntil(lambda: counts.facts is not None and not counts.is_busy)


def column(table: ClassTableWidget, number: int) -> list[str]:
    grid = table.grid
    if number == ROLE:
        return [grid.cellWidget(n, ROLE).currentText() for n in range(grid.rowCount())]
    return [grid.item(n, number).text() for n in range(grid.rowCount())]


def choose(box: Any, text: str) -> None:
    """As a user: pick an entry."""
    index = box.findText(text)
    assert index >= 0
    box.setCurrentIndex(index)
    box.activated.emit(index)


def role_box(table: ClassTableWidget, value: int) -> Any:
    return table.grid.cellWidget(column(table, VALUE).index(str(value)), ROLE)


def stored(layer: Labels) -> ClassTable:
    found = read_class_table(layer)
    assert found is not None
    return found


def test_nothing_to_show(qtbot, viewer) -> None:
    table = ClassTableWidget(viewer)
    qtbot.addWidget(table)
    assert not table.isEnabled()
    assert table.grid.rowCount() == 0


def test_what_is_in_the_labels(table, layer) -> None:
    assert column(table, VALUE) == ["0", "1", "2"]
    assert column(table, NAME) == ["background", "class 1", "class 2"]
    assert column(table, ROLE) == ["background", "class", "class"]
    assert column(table, VOXELS) == ["7\u202f200", "1\u202f600", "1\u202f200"]
    assert table.sentence.text().startswith("0 is background: 2\u202f800 of")
    assert stored(layer).names == ("background", "class 1", "class 2")
    assert layer.features["class"].tolist() == ["background", "class 1", "class 2"]


def test_a_stroke_changes_the_counts(qtbot, table, layer) -> None:
    layer.brush_size = 1
    layer.paint((5, 5), 2)
    layer.paint((5, 6), 7)
    assert column(table, VALUE) == ["0", "1", "2", "7"]
    assert column(table, VOXELS)[2:] == ["1\u202f201", "1"]
    assert [row.n_voxels for row in stored(layer).rows] == [7198, 1600, 1201, 1]
    layer.undo()
    layer.undo()
    qtbot.wait(1)
    assert column(table, VOXELS) == ["7\u202f200", "1\u202f600", "1\u202f200"]


def test_names(qtbot, table, layer) -> None:
    table.grid.item(1, NAME).setText("axon")
    assert stored(layer).names == ("background", "axon", "class 2")
    assert layer.features["class"].tolist()[1] == "axon"
    table.grid.item(1, NAME).setText("  ")
    assert column(table, NAME)[1] == "axon"
    layer.data = np.where(layer.data == 2, 1, layer.data)
    settle(qtbot, table)
    assert column(table, NAME) == ["background", "axon"]


def test_names_that_were_found_change_with_the_labels(qtbot, table, layer) -> None:
    layer.data = np.where(layer.data == 2, 0, layer.data)
    settle(qtbot, table)
    assert column(table, NAME) == ["background", "foreground"]


def test_colors(qtbot, table, layer) -> None:
    table.grid.cellClicked.emit(1, COLOR)
    (dialog,) = table.grid.findChildren(QColorDialog)
    dialog.setCurrentColor(QColor("#12ab34"))
    dialog.accept()
    assert stored(layer).rows[1].color == "#12ab34"
    assert QColor.fromRgbF(*map(float, layer.get_color(1))).name() == "#12ab34"
    table.grid.cellClicked.emit(0, COLOR)
    qtbot.wait(10)
    assert not table.grid.findChildren(QColorDialog)


def test_roles(qtbot, table, layer) -> None:
    choose(role_box(table, 2), "unlabelled")
    assert stored(layer).unlabelled_values == (2,)
    settle(qtbot, table)
    assert table.sentence.text() == (
        "0 is background: 1\u202f600 of 10\u202f000 voxels are labelled."
    )
    choose(role_box(table, 1), "background")
    roles = {row.value: row.role for row in stored(layer).rows}
    assert roles[1] == "background"


def test_what_0_means(table, layer) -> None:
    choose(table.zero_choice, "unlabelled")
    assert stored(layer).zero == "unlabelled"
    assert column(table, ROLE)[0] == "unlabelled"
    assert table.sentence.text().startswith("0 is unlabelled")
    choose(role_box(table, 0), "background")
    assert stored(layer).zero == "dense"
    assert table.zero_choice.currentData() == "dense"
    choose(role_box(table, 0), "class")
    assert stored(layer).rows[0].role == "class"
    choose(role_box(table, 0), "unlabelled")
    assert (stored(layer).zero, column(table, ROLE)[0]) == ("unlabelled", "unlabelled")


def test_a_click_on_a_row_paints_with_its_label(qtbot, table, viewer, layer) -> None:
    viewer.add_image(np.zeros((5, 5)))
    rectangle = table.grid.visualItemRect(table.grid.item(2, NAME))
    qtbot.mouseClick(
        table.grid.viewport(), Qt.MouseButton.LeftButton, pos=rectangle.center()
    )
    assert layer.selected_label == 2
    assert viewer.layers.selection.active is layer
    qtbot.keyClick(table.grid, Qt.Key.Key_Up)
    assert layer.selected_label == 1
    layer.selected_label = 2
    assert table.grid.value == 2


def test_classes_are_added_and_removed(qtbot, table, layer) -> None:
    qtbot.mouseClick(table.add_button, Qt.MouseButton.LeftButton)
    assert column(table, VALUE) == ["0", "1", "2", "3"]
    assert layer.selected_label == 3
    assert stored(layer).rows[3].name == "class 3"
    assert table.remove_button.isEnabled()
    qtbot.mouseClick(table.remove_button, Qt.MouseButton.LeftButton)
    assert column(table, VALUE) == ["0", "1", "2"]
    table.grid.go_to(1)
    layer.selected_label = 1
    assert not table.remove_button.isEnabled()


def test_objects(qtbot, table, layer) -> None:
    qtbot.mouseClick(table.objects_box, Qt.MouseButton.LeftButton)
    assert stored(layer).is_objects
    assert column(table, VALUE) == ["0", "ids"]
    assert table.grid.item(1, NAME).toolTip() == "2 objects"
    table.grid.item(1, NAME).setText("cell")
    assert stored(layer).is_objects
    assert stored(layer).names == ("background", "cell")
    qtbot.mouseClick(table.objects_box, Qt.MouseButton.LeftButton)
    assert not stored(layer).is_objects
    assert column(table, VALUE) == ["0", "1", "2"]


def test_too_many_values_to_be_classes(qtbot, table, viewer) -> None:
    noise = np.random.default_rng(0).integers(0, 200, (60, 60)).astype(np.uint8)
    layer = viewer.add_layer(Labels(noise))
    table.set_layer(layer)
    settle(qtbot, table)
    assert "199 different values" in table.problem_label.text()
    assert not table.problem_label.isHidden()
    assert read_class_table(layer) is None


def test_labels_that_cannot_be_used(table, viewer) -> None:
    levels = [np.zeros((16, 16), np.uint8), np.zeros((8, 8), np.uint8)]
    table.set_layer(viewer.add_layer(Labels(levels, multiscale=True)))
    assert "multiscale" in table.problem_label.text()
    assert not table.problem_label.isHidden()


def test_a_table_that_came_with_the_labels(qtbot, table, viewer) -> None:
    layer = Labels(np.eye(50, dtype=np.uint8))
    rows = (ClassInfo(1, "axon", "#00ff00"), ClassInfo(5, "myelin", "#0000ff"))
    write_class_table(layer, ClassTable(rows, zero="dense"))
    table.set_layer(viewer.add_layer(layer))
    settle(qtbot, table)
    assert column(table, NAME) == ["background", "axon", "myelin"]
    assert table.zero_choice.currentData() == "dense"


def test_a_table_that_somebody_else_stores(table, layer) -> None:
    rows = (ClassInfo(1, "other", "#00ff00"),)
    layer.metadata = {}
    write_class_table(layer, ClassTable(rows, zero="unlabelled"))
    assert column(table, NAME)[1] == "other"
    assert table.zero_choice.currentData() == "unlabelled"


def test_names_are_kept_beside_stored_labels(qtbot, table, viewer, tmp_path) -> None:
    image = viewer.add_image(np.zeros((50, 60)))
    layer = add_stored_labels(viewer, image, tmp_path)
    table.set_layer(layer)
    settle(qtbot, table)
    table.grid.item(2, NAME).setText("axon")
    again = open_stored_labels(viewer, image, Path(layer.metadata["segtrain"]["store"]))
    assert stored(again).rows[2].name == "axon"


def test_another_layer(qtbot, table, viewer, layer) -> None:
    other = viewer.add_layer(Labels(np.ones((9, 9), np.uint8)))
    table.set_layer(other)
    settle(qtbot, table)
    assert column(table, VALUE) == ["0", "1"]
    layer.paint((5, 5), 2)
    layer.selected_label = 2
    assert column(table, VOXELS) == ["0", "81"]
    table.set_layer(None)
    assert table.grid.rowCount() == 0


def test_nothing_is_kept_alive(qtbot, viewer) -> None:
    table = ClassTableWidget(viewer)
    qtbot.addWidget(table)
    layer = Labels(np.zeros((9, 9), np.uint8))
    table.set_layer(layer)
    settle(qtbot, table)
    reference = weakref.ref(layer)
    del layer
    gc.collect()
    assert reference() is None
    assert table.layer is None


def test_a_closed_table_hears_nothing(qtbot, viewer, layer) -> None:
    table = ClassTableWidget(viewer)
    table.set_layer(layer)
    settle(qtbot, table)
    table.deleteLater()
    qtbot.wait(20)
    layer.paint((5, 5), 2)
    layer.selected_label = 2
    layer.metadata = {"a": 1}
    layer.data = np.zeros((9, 9), np.uint8)
