from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_segtrain.ui.widgets.score_table import ScoreTable

ROWS = [
    {"class": "myelin", "iou": 0.9, "truth_voxels": 1_000_000},
    {"class": "Axon", "iou": None, "truth_voxels": 20},
    {"class": "background", "iou": 0.05, "truth_voxels": 300},
]


@pytest.fixture
def table(qtbot):
    table = ScoreTable()
    qtbot.addWidget(table)
    table.set_rows(ROWS, colors=["#ff0000", "#00ff00", "#000000"])
    return table


def column(table, x):
    return [table.item(y, x).text() for y in range(table.rowCount())]


def test_rows_stand_in_their_order_with_words_as_titles(table):
    titles = [table.horizontalHeaderItem(x).text() for x in range(3)]
    assert titles == ["class", "IoU", "truth voxels"]
    assert column(table, 0) == ["myelin", "Axon", "background"]
    assert column(table, 1) == ["0.900", "-", "0.050"]
    assert column(table, 2) == ["1,000,000", "20", "300"]
    assert not table.item(0, 0).icon().isNull()


def test_numbers_are_sorted_as_numbers_and_words_as_words(table):
    table.sortItems(2, Qt.SortOrder.AscendingOrder)
    assert column(table, 2) == ["20", "300", "1,000,000"]
    table.sortItems(0, Qt.SortOrder.AscendingOrder)
    assert column(table, 0) == ["Axon", "background", "myelin"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Qt.SortOrder.AscendingOrder, ["0.050", "0.900", "-"]),
        (Qt.SortOrder.DescendingOrder, ["0.900", "0.050", "-"]),
    ],
)
def test_what_is_not_defined_comes_last_in_either_order(table, order, expected):
    table.horizontalHeader().setSortIndicator(1, order)
    assert column(table, 1) == expected


def test_ctrl_c_copies_the_selected_rows_or_all_for_a_spreadsheet(table, qtbot):
    table.clearSelection()
    qtbot.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text().splitlines() == [
        "class\tIoU\ttruth voxels",
        "myelin\t0.9\t1000000",
        "Axon\t\t20",
        "background\t0.05\t300",
    ]
    table.selectRow(1)
    qtbot.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text().splitlines()[1:] == ["Axon\t\t20"]


def test_other_rows_and_columns_take_the_place_of_the_first(table):
    table.sortItems(1, Qt.SortOrder.AscendingOrder)
    table.set_rows([{"a": 2, "b": 1}, {"a": 1}], columns=["b", "a"])
    assert column(table, 0) == ["1", "-"]
    assert column(table, 1) == ["2", "1"]
    table.set_rows([])
    assert table.rowCount() == table.columnCount() == 0
    assert table.text() == ""
