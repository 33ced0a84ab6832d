"""Comparing again after edits: only changed slices, and the same result."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from tests.ui.compare.test_comparison_widget import compare, errors_of, open_dock

from napari_segtrain.control import RunControl
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.ui.classes.class_metadata import write_class_table
from napari_segtrain.ui.compare.comparison import Request, iter_comparison
from napari_segtrain.ui.compare.overlap import overlay_labels

TABLE = ClassTable(
    (
        ClassInfo(0, "background", "#000000", "background"),
        ClassInfo(1, "a", "#ff0000"),
        ClassInfo(2, "b", "#00ff00"),
    )
)


def labels(seed: int, shape=(12, 16, 20)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, shape).astype(np.uint8)


def add(viewer: ViewerModel, name: str, array, **options) -> Labels:
    layer = Labels(array, name=name, **options)
    write_class_table(layer, TABLE)
    viewer.add_layer(layer)
    return layer


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    add(viewer, "truth", labels(0))
    add(viewer, "result", labels(1))
    return viewer


@pytest.fixture
def dock(qtbot, viewer):
    widget = open_dock(qtbot, viewer)
    yield widget
    widget.cancel()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=10_000)


def n_counted(dock) -> int:
    return dock.comparison.kept.slices.n_counted


def check_same_as_new(qtbot, dock, viewer) -> None:
    """A dock that has compared nothing before finds the same."""
    errors = np.array(errors_of(viewer).data)
    other = open_dock(qtbot, viewer)
    other.form.truth_choice.set_layer(dock.form.truth_choice.layer())
    other.form.prediction_choice.set_layer(dock.form.prediction_choice.layer())
    other.form.region_choice.choice.set_layer(dock.form.region_choice.choice.layer())
    other.form.objects_box.setChecked(dock.form.objects_box.isChecked())
    other.form.measures.set_config(dock.form.measures.config())
    compare(qtbot, other)
    found, expected = dock.comparison.report, other.comparison.report
    assert found.to_dict() == expected.to_dict()
    assert found.slices == expected.slices
    assert found.intervals == expected.intervals
    np.testing.assert_array_equal(errors, errors_of(viewer).data)


def test_painted_slices_are_compared_anew(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    assert n_counted(dock) == 12
    viewer.layers["truth"].paint((3, 8, 8), 2)
    viewer.layers["result"].data[7, 2:5] = 1
    compare(qtbot, dock)
    assert n_counted(dock) == 2
    check_same_as_new(qtbot, dock, viewer)


def test_nothing_is_counted_when_nothing_changed(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    compare(qtbot, dock)
    assert n_counted(dock) == 0
    check_same_as_new(qtbot, dock, viewer)


def test_objects_are_matched_of_the_whole(qtbot, dock, viewer) -> None:
    dock.form.objects_box.setChecked(True)
    compare(qtbot, dock)
    viewer.layers["truth"].data[3] = 0
    compare(qtbot, dock)
    assert n_counted(dock) == 1
    check_same_as_new(qtbot, dock, viewer)


def test_a_band_reaches_the_neighbors(qtbot, dock, viewer) -> None:
    for name, seed in (("truth", 0), ("result", 1)):
        cubes = np.kron(labels(seed, (3, 4, 5)), np.ones((4, 4, 4), np.uint8))
        viewer.layers[name].data = cubes
    config = dock.form.measures.config().model_copy(update={"exclusion_width": 1})
    dock.form.measures.set_config(config)
    compare(qtbot, dock)
    viewer.layers["truth"].data[5, 2:9] = 2
    compare(qtbot, dock)
    assert n_counted(dock) == 3
    check_same_as_new(qtbot, dock, viewer)


def test_times_and_an_overlap(qtbot, dock, viewer) -> None:
    viewer.layers.clear()
    add(viewer, "truth", labels(0, (3, 5, 8, 9)))
    result = add(viewer, "result", labels(1, (3, 4, 8, 9)), translate=(0, 2, 0, 0))
    compare(qtbot, dock)
    assert n_counted(dock) == 3 * 3
    viewer.layers["truth"].data[1, 3] = 1
    viewer.layers["truth"].data[1, 0] = 1
    result.data[2, 0] = 2
    result.data[2, 3] = 2
    compare(qtbot, dock)
    assert n_counted(dock) == 2, "the others lie outside of the overlap"
    check_same_as_new(qtbot, dock, viewer)
    result.translate = (0, 1, 0, 0)
    compare(qtbot, dock)
    assert n_counted(dock) == 3 * 4
    check_same_as_new(qtbot, dock, viewer)


def test_other_meanings_count_everything(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    viewer.layers["truth"].data[2, 0, 0] = 7
    compare(qtbot, dock)
    assert n_counted(dock) == 12, "there is a class more"
    check_same_as_new(qtbot, dock, viewer)


def test_a_region_that_stays_or_is_edited(qtbot, dock, viewer) -> None:
    shapes = viewer.add_shapes([[[2, 2], [2, 12], [9, 12], [9, 2]]], name="area")
    dock.form.region_choice.choice.set_layer(shapes)
    compare(qtbot, dock)
    viewer.layers["truth"].data[4, 5] = 1
    compare(qtbot, dock)
    assert n_counted(dock) == 1
    check_same_as_new(qtbot, dock, viewer)
    shapes.add_rectangles([[10, 2], [10, 12], [14, 12], [14, 2]])
    compare(qtbot, dock)
    assert n_counted(dock) == 12
    check_same_as_new(qtbot, dock, viewer)


def test_a_painted_error_map_is_mended(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    errors_of(viewer).data[5] = 4
    viewer.layers["truth"].data[3] = 1
    compare(qtbot, dock)
    assert n_counted(dock) == 1
    check_same_as_new(qtbot, dock, viewer)


def test_an_edit_that_was_undone_leaves_nothing(qtbot, dock, viewer) -> None:
    """What a comparison whose result was dropped has counted is not used."""
    compare(qtbot, dock)
    truth, result = viewer.layers["truth"], viewer.layers["result"]
    before = truth.data[3].copy()
    truth.data[3] = 1
    request = Request(
        overlay_labels(truth, result),
        (truth.data, result.data),
        before=dock.comparison.kept,
        config=dock.form.measured(),
    )
    assert list(iter_comparison(request, RunControl()))
    truth.data[3] = before
    compare(qtbot, dock)
    assert n_counted(dock) == 0
    check_same_as_new(qtbot, dock, viewer)


def test_stores_are_compared_as_a_whole(qtbot, dock, viewer) -> None:
    import dask.array as da

    viewer.layers["result"].data = da.from_array(labels(1), chunks=(1, 16, 20))
    compare(qtbot, dock)
    assert dock.comparison.kept is None
    compare(qtbot, dock)
    check_same_as_new(qtbot, dock, viewer)
