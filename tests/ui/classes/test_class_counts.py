from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from napari.layers import Labels

from napari_segtrain.data.label_facts import LabelFacts
from napari_segtrain.ui.classes.class_counts import ClassCounts, count_labels
from napari_segtrain.ui.layers.reading import labels_from_layer
from napari_segtrain.ui.layers.stored_labels import create_stored_labels


@pytest.fixture
def layer() -> Labels:
    data = np.zeros((5, 30, 40), np.uint8)
    data[2, :10] = 1
    data[2, 20:] = 3
    return Labels(data)


@pytest.fixture
def counts(qtbot, layer) -> ClassCounts:
    found = ClassCounts()
    found.set_layer(layer)
    settle(qtbot, found)
    return found


def settle(qtbot, counts: ClassCounts) -> None:
    qtbot.waitUntil(lambda: counts.facts is not None and not counts.is_busy)


def numbers(facts: tuple[LabelFacts, ...] | None) -> list[tuple[Any, ...]]:
    """What is counted, without how it looks."""
    assert facts is not None
    return [(fact.counts, fact.n_labelled, fact.n_zero) for fact in facts]


def check(counts: ClassCounts, layer: Labels) -> None:
    expected = numbers(count_labels(labels_from_layer(layer)))
    assert numbers(counts.facts) == expected


def test_counts_per_slice(counts, layer) -> None:
    (fact,) = counts.facts or ()
    assert Counter(fact.counts) == Counter(layer.data.ravel().tolist())
    assert fact.n_labelled == (0, 0, 800, 0, 0)


def test_counting_is_off_the_gui_thread(qtbot, layer) -> None:
    counts = ClassCounts()
    counts.set_layer(layer)
    assert counts.facts is None
    assert counts.is_busy
    settle(qtbot, counts)


@pytest.mark.parametrize("n_edit", [2, 3])
def test_a_stroke_changes_the_counts_at_once(counts, layer, n_edit) -> None:
    layer.n_edit_dimensions = n_edit
    layer.brush_size = 7
    layer.paint((2, 12, 15), 4)
    check(counts, layer)
    layer.paint((2, 10, 18), 0)
    check(counts, layer)


def test_strokes_of_many_steps(counts, layer) -> None:
    with layer.block_history():
        for x in range(5, 30, 3):
            layer.paint((2, 12, x), 2)
    check(counts, layer)


def test_filling(counts, layer) -> None:
    layer.fill((2, 0, 0), 7)
    check(counts, layer)
    layer.contiguous = False
    layer.fill((0, 0, 0), 2)
    check(counts, layer)


def test_scripts_that_set_voxels(counts, layer) -> None:
    layer.data_setitem((np.array([0, 1, 2]), np.array([3, 4, 5]), np.arange(3)), 9)
    check(counts, layer)


def test_undo_and_redo(counts, layer) -> None:
    for x in (5, 15, 25):
        layer.paint((2, 12, x), 4)
    for step in (layer.undo, layer.undo, layer.redo, layer.undo, layer.undo):
        step()
        check(counts, layer)
    layer.paint((2, 12, 30), 5)
    layer.redo()
    check(counts, layer)


def test_a_stroke_over_a_stroke_is_done_again(counts, layer) -> None:
    for value in (4, 2, 4):
        layer.paint((2, 12, 5), value)
    for step in (layer.undo, layer.redo):
        step()
        check(counts, layer)
    layer.paint((2, 12, 5), 0)
    for step in (layer.undo, layer.undo, layer.undo, layer.redo, layer.redo):
        step()
        check(counts, layer)


def test_undone_before_it_was_heard(qtbot, counts, layer) -> None:
    layer.paint((2, 12, 5), 4)
    layer.undo()
    layer.paint((2, 12, 5), 4)
    layer.undo()
    layer.undo()
    check(counts, layer)


def test_a_listener_that_draws_the_layer_anew(counts, layer) -> None:
    """napari tells of a stroke before the voxels are written."""
    layer.events.paint.connect(layer.refresh, position="last")
    counts.changed.connect(layer.refresh)
    layer.paint((2, 12, 15), 4)
    layer.refresh()
    check(counts, layer)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["paint", "fill", "undo", "redo"]),
            st.integers(0, 1), st.integers(0, 2), st.integers(0, 15),
            st.integers(0, 3), st.integers(2, 4),
        ),
        max_size=16,
    )
)  # fmt: skip
def test_whatever_is_done_to_a_series(qtbot, steps) -> None:
    layer = Labels(np.zeros((2, 3, 16, 16), np.uint8))
    counts = ClassCounts()
    counts.set_layer(layer)
    settle(qtbot, counts)
    for kind, t, z, x, value, n_edit in steps:
        layer.n_edit_dimensions = n_edit
        if kind == "paint":
            layer.paint((t, z, 8, x), value)
        elif kind == "fill":
            layer.fill((t, z, 8, x), value)
        else:
            getattr(layer, kind)()
        check(counts, layer)
    counts.set_layer(None)


def test_other_data(qtbot, counts, layer) -> None:
    layer.data = np.ones((2, 6, 7), np.uint8)
    assert counts.facts is None
    settle(qtbot, counts)
    check(counts, layer)


def test_painting_while_labels_are_counted(qtbot, layer) -> None:
    counts = ClassCounts()
    counts.set_layer(layer)
    layer.paint((2, 12, 15), 4)
    settle(qtbot, counts)
    qtbot.waitUntil(lambda: not counts.is_busy)
    check(counts, layer)


def test_strokes_are_recognized_while_they_are_painted(qtbot) -> None:
    """How labels look is found again after a good deal was painted."""
    layer = Labels(np.zeros((200, 200), np.uint8))
    counts = ClassCounts()
    counts.set_layer(layer)
    settle(qtbot, counts)
    assert not any(fact.is_drawn for fact in counts.facts or ())
    layer.brush_size = 6
    for value, y in ((1, 40), (2, 140)):
        with layer.block_history():
            for x in range(20, 120):
                layer.paint((y + 8 * np.sin(x / 9), x), value)
    settle(qtbot, counts)
    assert all(fact.is_drawn for fact in counts.facts or ())


def test_no_layer_is_counted_after_another(qtbot, counts, layer) -> None:
    counts.set_layer(None)
    heard: list[Any] = []
    counts.changed.connect(lambda: heard.append(1))
    layer.paint((2, 12, 15), 4)
    assert not heard
    assert counts.facts is None


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((5, 20, 20), "ZYX"), ((2, 3, 20, 20), "TZYX"), ((20, 20), "YX")],
)
def test_stored_labels(qtbot, tmp_path, shape, axes) -> None:
    store = create_stored_labels(tmp_path / "a.zarr", shape, axes)
    layer = Labels(store)
    counts = ClassCounts()
    counts.set_layer(layer)
    settle(qtbot, counts)
    everything = labels_from_layer(Labels(np.asarray(store)))
    assert counts.facts == count_labels(everything)
    layer.paint((1,) * (len(shape) - 2) + (9, 9), 3)
    layer.paint((0,) * (len(shape) - 2) + (15, 15), 2)
    assert numbers(counts.facts) == numbers(
        count_labels(labels_from_layer(Labels(np.asarray(store))))
    )
    layer.undo()
    check(counts, layer)


def test_slices_on_which_nothing_is_stored_are_not_read(tmp_path) -> None:
    store = create_stored_labels(tmp_path / "a.zarr", (900, 3000, 3000), "ZYX")
    store[700, 2000:2005, 2000:2005] = 4
    (fact,) = count_labels(labels_from_layer(Labels(store)))
    assert fact.counts == {0: store.size - 25, 4: 25}
    assert fact.n_labelled[700] == sum(fact.n_labelled) == 25


def test_labels_that_cannot_be_counted(qtbot) -> None:
    levels = [np.zeros((16, 16), np.uint8), np.zeros((8, 8), np.uint8)]
    counts = ClassCounts()
    with qtbot.waitSignal(counts.failed) as failure:
        counts.set_layer(Labels(levels, multiscale=True))
    assert "multiscale" in failure.args[0]
