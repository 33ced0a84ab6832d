from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_segtrain.config import DataConfig
from napari_segtrain.data.classes import class_table
from napari_segtrain.data.label_facts import LabelFacts
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.ui.classes.class_counts import count_labels
from napari_segtrain.ui.classes.class_rows import (
    Said,
    free_value,
    read_said,
    resolve_rows,
    write_rows,
    zero_sentence,
)
from napari_segtrain.ui.layers.reading import (
    labels_from_layer,
    read_class_table,
    write_class_table,
)


def facts(data: np.ndarray) -> tuple[LabelFacts, ...]:
    return count_labels(labels_from_layer(Labels(data)))


def dense() -> np.ndarray:
    data = np.zeros((100, 100), np.uint8)
    data[20:60, 20:60] = 1
    data[60:90, 10:50] = 2
    return data


def strokes() -> np.ndarray:
    data = np.zeros((200, 200), np.uint8)
    for value, y in ((1, 40), (2, 140)):
        for x in range(20, 120):
            center = int(y + 8 * np.sin(x / 9))
            data[center - 2 : center + 3, x] = value
    return data


def objects() -> np.ndarray:
    data = np.zeros((120, 120), np.uint16)
    for number in range(25):
        y, x = divmod(number, 5)
        data[y * 24 : y * 24 + 12, x * 24 : x * 24 + 12] = number + 1
    return data


CASES = {
    "dense": (dense(), Said()),
    "strokes": (strokes(), Said()),
    "objects": (objects(), Said()),
    "strokes said to be dense": (strokes(), Said(zero="dense")),
    "painted background": (
        strokes(), Said((ClassInfo(1, "outside", "#111111", "background"),))
    ),
    "a named class": (dense(), Said((ClassInfo(2, "axon", "#ff0000"),))),
    "classes of many": (objects(), Said(is_objects=False)),
    "unlabelled": (dense(), Said((ClassInfo(2, "?", "#0000ff", "unlabelled"),))),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_training_uses_the_table_that_is_shown(name) -> None:
    data, said = CASES[name]
    found = facts(data)
    shown = resolve_rows(said, found)
    layer = Labels(data)
    write_rows(layer, said, shown)
    table = class_table(found, DataConfig(), read_class_table(layer))
    assert table.zero == shown.zero
    assert table.is_objects == shown.is_objects
    roles = {row.value: row.role for row in shown.rows if row.n_voxels}
    names = {row.value: row.name for row in shown.rows}
    for row in table.rows:
        for value in row.all_values:
            assert roles[value] == row.role
        assert names[row.value] == row.name


@pytest.mark.parametrize("name", CASES)
def test_what_was_said_is_read_back_and_nothing_more(name) -> None:
    """Names that were found are free to change when more is painted."""
    data, said = CASES[name]
    layer = Labels(data)
    write_rows(layer, said, resolve_rows(said, facts(data)))
    read = read_said(layer)
    assert [row.value for row in read.rows] == [row.value for row in said.rows]
    assert [row.name for row in read.rows] == [row.name for row in said.rows]
    assert (read.zero, read.is_objects) == (said.zero, said.is_objects)


def test_a_table_that_came_with_the_labels_is_said() -> None:
    layer = Labels(dense())
    rows = (ClassInfo(0, "outside", "#000000", "background"), ClassInfo(1, "a", "#f00"))
    write_class_table(layer, ClassTable(rows, zero="dense"))
    assert read_said(layer) == Said(rows, "dense", is_objects=False)


def test_classes_that_are_not_painted_yet_have_a_row() -> None:
    said = Said((ClassInfo(7, "axon", "#ff0000"),))
    shown = resolve_rows(said, facts(dense()))
    assert [row.value for row in shown.rows] == [0, 1, 2, 7]
    assert [row.n_voxels for row in shown.rows] == [7200, 1600, 1200, 0]
    assert free_value(shown) == 3


def test_objects_have_one_row() -> None:
    shown = resolve_rows(Said(), facts(objects()))
    assert shown.is_objects
    assert shown.n_objects == 25
    assert [row.name for row in shown.rows] == ["background", "foreground"]


def test_too_many_values() -> None:
    data = np.arange(10_000, dtype=np.uint16).reshape(100, 100) // 100
    shown = resolve_rows(Said(is_objects=False), facts(data))
    assert "99 different values" in shown.problem


def test_what_0_means() -> None:
    assert resolve_rows(Said(), facts(np.zeros((9, 9), np.uint8))).sentence == (
        "Nothing is painted yet."
    )
    assert resolve_rows(Said(), facts(dense())).sentence == (
        "0 is background: 2\u202f800 of 10\u202f000 voxels are labelled."
    )
    stack = np.zeros((40, 200, 200), np.uint8)
    stack[3:6] = strokes()
    n_labelled = int((strokes() > 0).sum()) * 3
    shown = resolve_rows(Said(), facts(stack))
    assert shown.zero == "unlabelled"
    assert shown.sentence == (
        f"0 is unlabelled: 3 of 40 slices hold labels, {n_labelled:,} voxels.".replace(
            ",", "\u202f"
        ).replace("labels\u202f", "labels,")
    )
    assert "in slices that hold labels only" in zero_sentence(
        facts(stack), "painted-slices"
    )


def test_voxels_of_a_mark_are_not_labels() -> None:
    stack = np.full((4, 10, 10), 255, np.uint8)
    stack[1, :5], stack[1, 5:] = 0, 1
    shown = resolve_rows(Said(), facts(stack))
    assert shown.sentence == "0 is background: 100 of 400 voxels are labelled."
