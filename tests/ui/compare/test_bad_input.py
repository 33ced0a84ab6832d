"""What can be wrong with what is compared: one sentence, and the dock goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.ui.classes.class_metadata import write_class_table
from napari_segtrain.ui.compare.comparison_widget import ComparisonWidget
from napari_segtrain.ui.compare.error_layer import is_error_map

SIZE = (3, 12, 12)
BACKGROUND = ClassInfo(0, "background", "#000000", "background")


def blocks() -> np.ndarray:
    array = np.zeros(SIZE, np.uint8)
    array[:, 2:6, 2:6], array[:, 7:10, 7:10] = 1, 2
    return array


def add(viewer: ViewerModel, name: str, array=None, **kwargs) -> Labels:
    layer = Labels(blocks() if array is None else array, name=name, **kwargs)
    viewer.add_layer(layer)
    return layer


def pair(**kwargs) -> Callable[[ViewerModel], None]:
    """Ground truth, and a segmentation with other properties."""

    def make(viewer: ViewerModel) -> None:
        add(viewer, "truth")
        add(viewer, "result", **kwargs)

    return make


def no_layer(viewer: ViewerModel) -> None:
    viewer.add_image(np.zeros(SIZE))


def one_layer(viewer: ViewerModel) -> None:
    add(viewer, "truth")


def empty_truth(viewer: ViewerModel) -> None:
    truth = add(viewer, "truth", np.zeros(SIZE, np.uint8))
    rows = (
        ClassInfo(0, "unlabelled", "#808080", "unlabelled"),
        ClassInfo(1, "a", "#ff0000"),
    )
    write_class_table(truth, ClassTable(rows, zero="unlabelled"))
    add(viewer, "result")


def ids_and_classes(viewer: ViewerModel) -> None:
    truth = add(viewer, "truth", np.arange(432, dtype=np.uint16).reshape(SIZE))
    cell = ClassInfo(1, "cell", "#ff0000")
    write_class_table(truth, ClassTable((BACKGROUND, cell), is_objects=True))
    result = add(viewer, "result")
    rows = (BACKGROUND, cell, ClassInfo(2, "nucleus", "#00ff00"))
    write_class_table(result, ClassTable(rows))


def many_values(viewer: ViewerModel) -> None:
    rows = (BACKGROUND, ClassInfo(1, "a", "#ff0000"))
    noise = np.random.default_rng(0).permutation(432).astype(np.uint16)
    for name in ("truth", "result"):
        layer = add(viewer, name, noise.reshape(SIZE))
        write_class_table(layer, ClassTable(rows))


def multiscale(viewer: ViewerModel) -> None:
    add(viewer, "truth")
    add(viewer, "result", [blocks(), blocks()[:, ::2, ::2]], multiscale=True)


def axis_labels(viewer: ViewerModel) -> None:
    add(viewer, "truth", axis_labels=("z", "y", "x"))
    add(viewer, "result", axis_labels=("t", "y", "x"))


@dataclass(frozen=True)
class Case:
    make: Callable[[ViewerModel], None]
    words: tuple[str, ...]
    same: bool = False


CASES = {
    "no layer": Case(no_layer, ("no Labels layer", "paint")),
    "one layer": Case(one_layer, ("'truth' is the only Labels layer", "two")),
    "the same layer twice": Case(pair(), ("both 'result'", "two different"), same=True),
    "no overlap": Case(pair(translate=(0, 0, 20)), ("overlap", "along X", "20 to 31")),
    "voxel size": Case(pair(scale=(2, 1, 1)), ("2 × 1 × 1", "1 × 1 × 1", "scale")),
    "half a voxel": Case(pair(translate=(0, 0.5, 0)), ("0.5 voxels along Y",)),
    "turned": Case(pair(rotate=(0, 0, 20)), ("rotated", "same transform")),
    "units": Case(pair(units=("s", "pixel", "pixel")), ("second", "pixel", "units")),
    "dimensions": Case(pair(array=blocks()[0]), ("3 dimensions", "2 (12 × 12)")),
    "axis labels": Case(axis_labels, ("ZYX", "TYX", "axis labels")),
    "multiscale": Case(multiscale, ("multiscale", "level 0")),
    "empty truth": Case(empty_truth, ("no labelled voxel",)),
    "ids against classes": Case(ids_and_classes, ("object ids", "cell, nucleus")),
    "too many values": Case(many_values, ("431", "254")),
}


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def open_dock(qtbot, viewer: ViewerModel) -> ComparisonWidget:
    dock = ComparisonWidget(viewer)
    qtbot.addWidget(dock)
    dock.show()
    return dock


def choose(dock: ComparisonWidget, truth: str, prediction: str) -> None:
    for choice, name in (
        (dock.form.truth_choice, truth),
        (dock.form.prediction_choice, prediction),
    ):
        found = [layer for layer in choice.layers() if layer.name == name]
        if found:
            choice.set_layer(found[0])


def compare(qtbot, dock: ComparisonWidget) -> None:
    dock.compare()
    qtbot.waitUntil(lambda: not dock.is_running, timeout=10_000)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@pytest.mark.parametrize("name", CASES)
def test_one_sentence_and_the_dock_goes_on(qtbot, viewer, name) -> None:
    case = CASES[name]
    case.make(viewer)
    dock = open_dock(qtbot, viewer)
    choose(dock, "result" if case.same else "truth", "result")
    compare(qtbot, dock)
    text = dock.messages.text
    assert dock.messages.level == "error"
    assert all(words in text for words in case.words), text
    assert "Traceback" not in text
    assert "went wrong inside" not in text
    assert dock.compare_button.isVisible()
    assert dock.compare_button.isEnabled()
    assert dock.comparison is None
    assert not any(is_error_map(layer) for layer in viewer.layers)
    good = add(viewer, "good truth"), add(viewer, "good result")
    choose(dock, *(layer.name for layer in good))
    compare(qtbot, dock)
    assert dock.messages.isHidden()
    assert dock.comparison.report.iou == 1


@dataclass(frozen=True)
class Odd:
    """Layers that can be compared, and what is said beside the scores."""

    truth: np.ndarray
    result: np.ndarray
    ious: list[float | None]
    words: tuple[str, ...]


SHARE = (432 - 3 * 16 - 3 * 9) / 432
TABLE = ClassTable(
    (BACKGROUND, ClassInfo(1, "a", "#ff0000"), ClassInfo(2, "b", "#00ff00"))
)
ODD = {
    "empty truth": Odd(blocks() * 0, blocks(), [SHARE, 0, 0], ("truth holds no",)),
    "empty result": Odd(blocks(), blocks() * 0, [SHARE, 0, 0], ("is missed",)),
    "both empty": Odd(blocks() * 0, blocks() * 0, [1, None, None], ("Neither",)),
    "unknown value": Odd(
        blocks(),
        np.where(blocks() == 2, 7, blocks()).astype(np.uint8),
        [1, 1, 0],
        ("27 of 432", "its classes do not have"),
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_labels_are_scored_and_spoken_of(qtbot, viewer, name) -> None:
    case = ODD[name]
    for layer in (add(viewer, "truth", case.truth), add(viewer, "r", case.result)):
        write_class_table(layer, TABLE)
    dock = open_dock(qtbot, viewer)
    choose(dock, "truth", "r")
    dock.form.objects_box.setChecked(True)
    compare(qtbot, dock)
    classes = dock.comparison.report.total.scores.classes
    assert [row.iou for row in classes] == pytest.approx(case.ious)
    assert dock.messages.level == "warning"
    assert all(words in dock.messages.text for words in case.words)


def test_many_objects(qtbot, viewer) -> None:
    """Each of some thousand is found; a tenth is missing."""
    ids = np.arange(1, 65 * 65 + 1, dtype=np.uint16).reshape(65, 65)
    truth = np.kron(ids, np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]], np.uint16))
    add(viewer, "truth", truth)
    add(viewer, "result", np.where(truth % 10 == 3, 0, truth).astype(np.uint16))
    dock = open_dock(qtbot, viewer)
    dock.form.objects_box.setChecked(True)
    choose(dock, "truth", "result")
    compare(qtbot, dock)
    (scores, _) = dock.comparison.report.total.objects
    assert (scores.n_truth, scores.n_false_negative) == (4225, 423)
    assert (scores.n_predicted, scores.n_matched) == (3802, 3802)


def test_a_layer_deleted_during_the_comparison(qtbot, viewer) -> None:
    pair()(viewer)
    dock = open_dock(qtbot, viewer)
    dock.compare()
    viewer.layers.remove("truth")
    qtbot.waitUntil(lambda: not dock.is_running, timeout=10_000)
    assert "'truth' was removed while" in dock.messages.text
    assert dock.comparison is None
    assert dock.compare_button.isVisible()


def test_a_layer_deleted_after_the_comparison(qtbot, viewer) -> None:
    pair()(viewer)
    dock = open_dock(qtbot, viewer)
    compare(qtbot, dock)
    viewer.layers.remove("truth")
    assert "'truth' was removed" in dock.stale_bar.text
    assert dock.again_button.isHidden()
    dock.view.curve.slice_clicked.emit(1)


def test_results_stay_when_a_later_comparison_fails(qtbot, viewer) -> None:
    """The curve still leads to the layers that the results are of."""
    add(viewer, "good truth", scale=(2, 1, 1))
    add(viewer, "good result", scale=(2, 1, 1))
    add(viewer, "bad truth", scale=(5, 1, 1))
    empty = add(viewer, "bad result", np.zeros(SIZE, np.uint8), scale=(5, 1, 1))
    rows = (ClassInfo(0, "unlabelled", "#808080", "unlabelled"),)
    write_class_table(empty, ClassTable(rows, zero="unlabelled"))
    dock = open_dock(qtbot, viewer)
    choose(dock, "good truth", "good result")
    compare(qtbot, dock)
    choose(dock, "bad result", "bad truth")
    compare(qtbot, dock)
    assert dock.messages.level == "error"
    assert dock.comparison.report.iou == 1
    dock.view.curve.slice_clicked.emit(2)
    assert viewer.dims.point[0] == 4
    viewer.layers["good truth"].paint((0, 3, 3), 2)
    assert "'good truth' was edited" in dock.stale_bar.text


def test_a_deleted_error_map_is_made_anew(qtbot, viewer) -> None:
    pair()(viewer)
    dock = open_dock(qtbot, viewer)
    compare(qtbot, dock)
    for layer in [layer for layer in viewer.layers if is_error_map(layer)]:
        viewer.layers.remove(layer)
    compare(qtbot, dock)
    assert sum(is_error_map(layer) for layer in viewer.layers) == 1


def test_an_error_map_of_other_dimensions(qtbot, viewer) -> None:
    pair()(viewer)
    dock = open_dock(qtbot, viewer)
    compare(qtbot, dock)
    for name in ("flat truth", "flat result"):
        add(viewer, name, blocks()[0])
    choose(dock, "flat truth", "flat result")
    compare(qtbot, dock)
    (layer,) = (layer for layer in viewer.layers if is_error_map(layer))
    assert layer.ndim == 2


def test_other_layers_after_removed_ones(qtbot, viewer) -> None:
    pair()(viewer)
    dock = open_dock(qtbot, viewer)
    viewer.layers.clear()
    assert dock.form.truth_choice.layer() is None
    pair()(viewer)
    compare(qtbot, dock)
    assert dock.comparison.report.iou == 1


def test_ids_told_apart_from_classes_by_the_user(qtbot, viewer) -> None:
    """Labels that look like classes are objects when the user says so."""
    pair()(viewer)
    dock = open_dock(qtbot, viewer)
    dock.form.target_choice.setCurrentIndex(
        dock.form.target_choice.findData("instances")
    )
    compare(qtbot, dock)
    assert dock.comparison.report.classes.is_objects
    dock.form.target_choice.setCurrentIndex(
        dock.form.target_choice.findData("semantic")
    )
    compare(qtbot, dock)
    assert dock.comparison.report.classes.n_classes == 3
