"""Comparisons inside of shapes."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Shapes
from tests.ui.compare.test_comparison_widget import compare, errors_of, open_dock

from napari_segtrain import evaluate
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.ui.classes.class_metadata import write_class_table

SIZE = (4, 30, 40)
TABLE = ClassTable(
    (
        ClassInfo(0, "background", "#000000", "background"),
        ClassInfo(1, "a", "#ff0000"),
        ClassInfo(2, "b", "#00ff00"),
    )
)
SQUARE = np.array([[4.6, 5.6], [4.6, 20.4], [18.4, 20.4], [18.4, 5.6]])
"""Voxels 5 to 18 along Y and 6 to 20 along X."""


def labels(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 3, (4, 10, 10))
    return coarse.repeat(3, axis=1).repeat(4, axis=2).astype(np.uint8)


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    for seed, name in enumerate(("truth", "result")):
        layer = Labels(labels(seed), name=name, scale=(2, 0.5, 0.5))
        write_class_table(layer, TABLE)
        viewer.add_layer(layer)
    return viewer


@pytest.fixture
def dock(qtbot, viewer):
    widget = open_dock(qtbot, viewer)
    yield widget
    widget.cancel()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=10_000)


def add_shapes(viewer: ViewerModel, data=SQUARE, **options) -> Shapes:
    options = {"scale": (0.5, 0.5), **options}
    layer = Shapes([data], shape_type="polygon", name="area", **options)
    viewer.add_layer(layer)
    return layer


def choose(dock, layer: Shapes | None) -> None:
    dock.form.region_choice.choice.set_layer(layer)


def test_scores_and_errors_are_those_inside(qtbot, dock, viewer) -> None:
    choose(dock, add_shapes(viewer))
    dock.form.objects_box.setChecked(True)
    compare(qtbot, dock)
    truth, result = (viewer.layers[name].data for name in ("truth", "result"))
    mask = np.zeros(SIZE, np.uint8)
    mask[:, 5:19, 6:21] = 1
    expected = evaluate(truth, result, mask=mask, objects=True, zero="dense")
    report = dock.comparison.report
    assert report.total.scores.confusion == expected.total.scores.confusion
    found, wanted = report.total.objects, expected.total.objects
    assert [row.n_matched for row in found] == [row.n_matched for row in wanted]
    assert [row.n_truth for row in found] == [row.n_truth for row in wanted]
    assert not errors_of(viewer).data[mask == 0].any()
    is_error = (truth != result) & (mask == 1)
    assert np.array_equal(np.isin(errors_of(viewer).data, (2, 3, 4)), is_error)
    text = dock.view.summary.text()
    assert "outside of 'area'" in text
    assert f"of {mask.sum():,} voxels" in text
    assert dock.comparison.context.data["Only inside"] == "area"


def test_a_shape_of_one_slice_or_of_all(qtbot, dock, viewer) -> None:
    drawn = np.insert(SQUARE, 0, 2, axis=1)
    choose(dock, add_shapes(viewer, drawn, scale=(2, 0.5, 0.5)))
    box = dock.form.region_choice.through_box
    assert box.isVisible()
    assert not box.isChecked()
    compare(qtbot, dock)
    counted = [part.n_truth for part in dock.comparison.report.slices]
    assert counted == [0, 0, 14 * 15, 0]
    box.setChecked(True)
    compare(qtbot, dock)
    counted = [part.n_truth for part in dock.comparison.report.slices]
    assert counted == [14 * 15] * 4


def test_a_region_of_an_overlap(qtbot, dock, viewer) -> None:
    """The segmentation begins 4 voxels later; the truth has one time more axis."""
    truth, result = viewer.layers["truth"], viewer.layers["result"]
    truth.data = truth.data[None]
    result.data = labels(1)[:, 4:, 8:].copy()
    result.translate = (0, 2, 4)
    drawn = np.insert(SQUARE, 0, 2, axis=1)
    choose(dock, add_shapes(viewer, drawn, scale=(2, 0.5, 0.5)))
    compare(qtbot, dock)
    counted = [part.n_truth for part in dock.comparison.report.slices]
    assert counted == [0, 0, 14 * 13, 0]
    inside = np.s_[2, 5:19, 8:21]
    accuracy = (labels(0)[inside] == labels(1)[inside]).mean()
    assert dock.comparison.report.total.scores.overall.accuracy == accuracy


def test_edited_shapes_put_the_results_out_of_date(qtbot, dock, viewer) -> None:
    shapes = add_shapes(viewer)
    compare(qtbot, dock)
    shapes.add_rectangles(SQUARE + 3)
    assert not dock.is_stale, "it was not used"
    choose(dock, shapes)
    compare(qtbot, dock)
    shapes.add_rectangles(SQUARE + 9)
    assert "'area' was edited" in dock.stale_bar.text
    compare(qtbot, dock)
    assert not dock.is_stale
    shapes.translate = (1, 1)
    assert dock.is_stale
    choose(dock, None)
    compare(qtbot, dock)
    assert not dock.is_stale
    assert "outside" not in dock.view.summary.text()


@pytest.mark.parametrize(
    ("data", "words"),
    [(None, "no rectangle"), (SQUARE + 500, "no voxel of the labels 'truth'")],
)
def test_shapes_without_a_voxel(qtbot, dock, viewer, data, words) -> None:
    shapes = add_shapes(viewer)
    shapes.data = [] if data is None else [data]
    choose(dock, shapes)
    dock.compare()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=10_000)
    assert dock.messages.level == "error"
    assert words in dock.messages.text
    choose(dock, None)
    compare(qtbot, dock)
    assert dock.messages.isHidden()


def test_a_removed_region_is_everywhere(qtbot, dock, viewer) -> None:
    shapes = add_shapes(viewer)
    choose(dock, shapes)
    viewer.layers.remove(shapes)
    compare(qtbot, dock)
    assert dock.comparison.region_name == ""
    assert dock.comparison.report.total.scores.overall.n_truth == np.prod(SIZE)
