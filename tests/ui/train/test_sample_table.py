from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.ui.layers import new_labels
from napari_segtrain.ui.layers.reading import write_class_table
from napari_segtrain.ui.layers.samples import SampleRow, to_dataset
from napari_segtrain.ui.train.sample_row import SampleRowWidget
from napari_segtrain.ui.train.sample_table import SampleTable


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def table(qtbot, viewer) -> SampleTable:
    found = SampleTable(viewer)
    qtbot.addWidget(found)
    found.show()
    return found


def image(name: str = "cells", shape: tuple[int, ...] = (30, 40), **options: Any):
    return Image(np.zeros(shape, np.float32), name=name, rgb=False, **options)


def labels(name: str = "strokes", shape: tuple[int, ...] = (30, 40), **options: Any):
    return Labels(np.ones(shape, np.uint8), name=name, **options)


def first(table: SampleTable) -> SampleRowWidget:
    return table.row_widgets()[0]


def settle(qtbot, table: SampleTable) -> None:
    with qtbot.waitSignal(table.changed):
        first(table).changed.emit()
    qtbot.wait(10)


def choose(box: Any, text: str) -> None:
    """As a user: pick an entry."""
    index = box.findText(text)
    assert index >= 0
    box.setCurrentIndex(index)
    box.activated.emit(index)


def test_without_layers(table) -> None:
    assert table.rows() == []
    assert "no sample" in table.problem()


def test_one_image_and_its_labels_just_work(table, viewer) -> None:
    cells = viewer.add_layer(image())
    strokes = viewer.add_layer(labels())
    assert table.rows() == [SampleRow((cells,), strokes, axes="YX")]
    assert table.problem() == ""
    assert len(to_dataset(table.rows()).pairs()) == 1


def test_opened_on_a_viewer_with_layers(qtbot, viewer) -> None:
    viewer.add_layer(image("large", (90, 90)))
    cells = viewer.add_layer(image())
    viewer.add_layer(image("top", (80, 90)))
    viewer.add_layer(labels("result", metadata={"segtrain": {"result": {}}}))
    strokes = viewer.add_layer(labels(shape=(10, 10), translate=(70, 80)))
    viewer.add_layer(labels("other", (12, 13, 14)))
    viewer.layers.move(1, 0)
    table = SampleTable(viewer)
    qtbot.addWidget(table)
    (row,) = table.rows()
    assert row.labels is strokes
    assert row.images[0].name == "top"
    assert cells in viewer.layers


def test_labels_that_were_made_for_training_come_first(table, viewer) -> None:
    viewer.add_layer(image())
    strokes = labels()
    write_class_table(strokes, ClassTable((ClassInfo(1, "a", "#ff0000"),)))
    viewer.add_layer(strokes)
    viewer.add_layer(labels("on top"))
    assert table.labels() == [strokes]


def test_hidden_labels_come_last(table, viewer) -> None:
    cells = viewer.add_layer(image())
    strokes = viewer.add_layer(labels())
    viewer.add_layer(labels("truth of the test", visible=False))
    assert table.rows() == [SampleRow((cells,), strokes, axes="YX")]


def test_labels_named_after_their_image(table, viewer) -> None:
    cells = viewer.add_layer(image("nuclei"))
    viewer.add_layer(image("cells"))
    strokes = viewer.add_layer(labels("nuclei labels", (10, 10)))
    assert table.rows() == [SampleRow((cells,), strokes, axes="YX")]


def test_what_the_user_chose_stays(table, viewer) -> None:
    cells = viewer.add_layer(image())
    one, two = viewer.add_layer(labels("one")), viewer.add_layer(labels("two"))
    assert table.rows()[0].labels is two
    choose(first(table).labels_choice, "one")
    viewer.add_layer(labels("three"))
    viewer.layers.move(0, 3)
    one.name = "renamed"
    cells.name = "nuclei"
    assert table.rows()[0].labels is one
    assert table.rows()[0].images == (cells,)
    assert first(table).labels_choice.currentText() == "renamed"


def test_a_layer_that_goes_away(qtbot, table, viewer) -> None:
    viewer.add_layer(image())
    chosen = viewer.add_layer(labels("one"))
    viewer.add_layer(labels("two"))
    choose(first(table).labels_choice, "one")
    viewer.layers.remove(chosen)
    settle(qtbot, table)
    assert table.rows()[0].labels is None
    assert "No labels are chosen" in first(table).status.text()


def test_several_rows(qtbot, table, viewer) -> None:
    pairs = []
    for number in range(3):
        shape = (30 + number, 40)
        cells = viewer.add_layer(image(f"cells {number}", shape))
        strokes = viewer.add_layer(labels(f"strokes {number}", shape))
        pairs.append((cells, strokes))
    qtbot.mouseClick(table.add_button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(table.add_button, Qt.MouseButton.LeftButton)
    found = [(row.images[0], row.labels) for row in table.rows()]
    assert found == pairs[::-1]
    assert len(to_dataset(table.rows()).samples) == 3
    second = table.row_widgets()[1]
    qtbot.mouseClick(second.remove_button, Qt.MouseButton.LeftButton)
    assert [row.labels for row in table.rows()] == [pairs[2][1], pairs[0][1]]


def test_the_last_row_cannot_be_removed(table) -> None:
    assert not first(table).remove_button.isEnabled()


def test_why_a_row_is_no_sample(qtbot, table, viewer) -> None:
    viewer.add_layer(image())
    strokes = viewer.add_layer(labels())
    settle(qtbot, table)
    assert first(table).status.isHidden()
    with qtbot.waitSignal(table.changed):
        strokes.scale = (2, 2)
    status = first(table).status
    assert not status.isHidden()
    assert "have a scale of (2, 2)" in status.text()
    assert status.toolTip() == status.text() == table.problem()
    with qtbot.waitSignal(table.changed):
        strokes.scale = (1, 1)
    assert status.isHidden()


def test_axes_are_guessed_until_they_are_edited(qtbot, table, viewer) -> None:
    viewer.add_layer(image(shape=(5, 30, 40)))
    viewer.add_layer(labels(shape=(5, 30, 40)))
    edit = first(table).axes_edit
    assert edit.text() == "ZYX"
    edit.selectAll()
    qtbot.keyClicks(edit, "tyx")
    assert table.rows()[0].axes == "TYX"
    assert len(to_dataset(table.rows()).pairs()) == 5
    viewer.add_layer(labels("more", (5, 30, 40)))
    assert table.rows()[0].axes == "TYX"
    qtbot.keyClicks(edit, "Q")
    settle(qtbot, table)
    assert "one letter per dimension" in first(table).status.text()
    edit.clear()
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert edit.text() == "ZYX"


def test_channels(qtbot, table, viewer) -> None:
    viewer.add_layer(image("actin"))
    viewer.add_layer(image("dapi"))
    viewer.add_layer(image("other", (31, 40)))
    viewer.add_layer(labels())
    button = first(table).channels_button
    assert [layer.name for layer in button.offered()] == ["actin"]
    button.menu().aboutToShow.emit()
    button.list.item(0).setCheckState(Qt.CheckState.Checked)
    (row,) = table.rows()
    assert [layer.name for layer in row.images] == ["actin", "dapi"]
    assert to_dataset(table.rows()).channel_names == ("actin", "dapi")
    assert button.text() == "+1"
    viewer.layers.remove("actin")
    assert [layer.name for layer in table.rows()[0].images] == ["dapi"]


def test_levels(table, viewer) -> None:
    levels = [np.zeros((60, 80)), np.zeros((30, 40))]
    viewer.add_layer(Image(levels, multiscale=True, name="pyramid"))
    strokes = viewer.add_layer(labels(scale=(2, 2)))
    row = first(table)
    assert table.rows()[0] == SampleRow(
        (viewer.layers["pyramid"],), strokes, axes="YX", level=1
    )
    assert row.level_choice.isVisible()
    assert [row.level_choice.itemText(n) for n in range(2)] == [
        "0: 60 × 80", "1: 30 × 40",
    ]  # fmt: skip
    choose(row.level_choice, "0: 60 × 80")
    assert "scale" in table.problem()
    choose(row.level_choice, "1: 30 × 40")
    assert table.problem() == ""
    assert to_dataset(table.rows()).samples[0].image.level == "1"


def test_regions(qtbot, table, viewer) -> None:
    viewer.add_layer(image(shape=(5, 30, 40)))
    viewer.add_layer(labels(shape=(5, 30, 40)))
    corners = np.array([[2, 3, 3], [2, 3, 20], [2, 20, 20], [2, 20, 3]])
    viewer.add_layer(Shapes([corners], shape_type="polygon", name="box"))
    viewer.add_layer(Shapes([corners[:, 1:]], shape_type="polygon", name="flat"))
    row = first(table)
    assert row.through_box.isHidden()
    choose(row.region_choice, "flat")
    assert row.through_box.isChecked()
    choose(row.region_choice, "box")
    assert not row.through_box.isHidden()
    assert not row.through_box.isChecked()
    assert table.rows()[0].through_all is False
    assert to_dataset(table.rows(), margin=(0, 0, 0)).pairs()[0].shape[0] == 1
    qtbot.mouseClick(row.through_box, Qt.MouseButton.LeftButton)
    assert to_dataset(table.rows(), margin=(0, 0, 0)).pairs()[0].shape[0] == 5


def test_a_row_fits_a_narrow_dock(qtbot, table, viewer) -> None:
    levels = [np.zeros((6000, 8000), np.uint8), np.zeros((3000, 4000), np.uint8)]
    viewer.add_layer(Image(levels, multiscale=True, name="pyramid " * 9))
    viewer.add_layer(labels(shape=(6000, 8000)))
    viewer.add_layer(Shapes([np.eye(4, 2) * 9], shape_type="polygon", name="r" * 40))
    choose(first(table).region_choice, "r" * 40)
    qtbot.wait(10)
    assert table.minimumSizeHint().width() <= 400


def test_rows_from_outside(table, viewer) -> None:
    cells, more = viewer.add_layer(image()), viewer.add_layer(image("more"))
    strokes = viewer.add_layer(labels())
    rows = [
        SampleRow((cells, more), strokes, axes="YX"),
        SampleRow((more,), strokes, axes="YX"),
    ]
    table.set_rows(rows)
    assert table.rows() == rows
    table.set_rows([])
    assert table.rows() == []


def test_new_training_labels(qtbot, table, viewer) -> None:
    cells = viewer.add_layer(image())
    heard: list[Any] = []
    table.labels_added.connect(heard.append)
    qtbot.mouseClick(first(table).new_button, Qt.MouseButton.LeftButton)
    (made,) = heard
    assert made.name == "cells labels"
    assert table.rows() == [SampleRow((cells,), made, axes="YX")]
    assert made.mode == "paint"


def test_labels_of_a_large_image(qtbot, table, viewer, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(new_labels, "MAX_BYTES", 500)
    cells = viewer.add_layer(image())
    button = first(table).new_button
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(button.where_menu.isVisible)
    button.where_menu.close()
    assert table.labels() == []
    button.make_in_folder(str(tmp_path))
    (made,) = table.labels()
    assert made.data.shape == (30, 40)
    assert table.rows()[0].images == (cells,)
    store = made.metadata["segtrain"]["store"]
    viewer.layers.remove(made)
    button.open_folder(store)
    assert table.labels()[0].metadata["segtrain"]["store"] == store
    button.open_folder(str(tmp_path))
    assert "no Zarr array" in first(table).status.text()


def test_folders_are_asked_for_without_blocking(qtbot, table, viewer) -> None:
    viewer.add_layer(image())
    button = first(table).new_button
    for action in button.where_menu.actions()[1:]:
        action.trigger()
        dialog = button.findChild(QFileDialog)
        assert dialog.isVisible()
        dialog.close()
        qtbot.waitUntil(lambda: button.findChild(QFileDialog) is None)


def test_no_labels_of_impossible_axes(qtbot, table, viewer) -> None:
    viewer.add_layer(image())
    first(table).axes_edit.setText("Y")
    qtbot.mouseClick(first(table).new_button, Qt.MouseButton.LeftButton)
    assert "one letter per dimension" in first(table).status.text()
    assert len(viewer.layers) == 1


def test_the_viewer_is_not_kept(qtbot) -> None:
    viewer = ViewerModel()
    table = SampleTable(viewer)
    qtbot.addWidget(table)
    viewer.add_layer(image())
    reference = weakref.ref(viewer)
    del viewer
    gc.collect()
    assert reference() is None
    assert table.rows() == []


def test_a_closed_table_hears_nothing(qtbot, viewer) -> None:
    table = SampleTable(viewer)
    table.deleteLater()
    qtbot.wait(20)
    viewer.add_layer(image())
    viewer.layers.clear()
