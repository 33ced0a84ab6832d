from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import QApplication, QToolTip

from napari_segtrain import evaluate
from napari_segtrain.evaluation.confusion import ConfusionTable
from napari_segtrain.evaluation.error_map import (
    ERROR_CLASSES,
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    TRUE_POSITIVE,
)
from napari_segtrain.evaluation.object_list import KINDS, ObjectList
from napari_segtrain.evaluation.object_points import ObjectPoints
from napari_segtrain.ui.compare.confusion_picture import ConfusionPicture, short_count
from napari_segtrain.ui.compare.object_scatter import (
    KIND_COLORS,
    MAX_POINTS,
    ObjectScatter,
)


def confusion(shares: list[list[float]], n: int = 1000) -> ConfusionTable:
    counts = (np.array(shares) * n).round().astype(np.int64)
    names = tuple(f"class {k}" for k in range(len(counts)))
    columns = (*names, "no prediction")[: counts.shape[1]]
    return ConfusionTable(names, columns, counts, np.array(shares))


@pytest.fixture
def picture(qtbot) -> ConfusionPicture:
    widget = ConfusionPicture()
    qtbot.addWidget(widget)
    widget.set_table(confusion([[1, 0], [0.25, 0.75]]))
    widget.resize(320, widget.sizeHint().height())
    widget.show()
    qtbot.waitExposed(widget)
    return widget


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_cell_is_as_colored_as_its_share(picture, theme) -> None:
    picture.apply_theme(theme)
    pixels = picture.grab().toImage()
    ratio = picture.devicePixelRatioF()

    def color(row: int, column: int) -> np.ndarray:
        corner = (picture.cell(row, column).topLeft() + QPointF(4, 4)) * ratio
        found = pixels.pixelColor(corner.toPoint())
        return np.array([found.red(), found.green(), found.blue()], float)

    empty, full = color(0, 1), color(0, 0)
    for column, share in ((0, 0.25), (1, 0.75)):
        wanted = empty + (full - empty) * share
        np.testing.assert_allclose(color(1, column), wanted, atol=3)
    assert np.abs(full - empty).max() > 40


def test_the_tip_says_what_is_taken_for_what(qtbot, picture) -> None:
    at = picture.cell(1, 0).center().toPoint()
    assert picture.cell_at(QPointF(at)) == (1, 0)
    help_event = QHelpEvent(QEvent.Type.ToolTip, at, picture.mapToGlobal(at))
    QApplication.sendEvent(picture, help_event)
    text = "250 voxels of class 1 are taken for class 0: 25.0 % of class 1."
    assert QToolTip.text() == text
    assert picture.cell_at(QPointF(0, 0)) is None
    assert "class 1: 75.0 % class 1" in picture.accessibleDescription()


def test_many_classes_have_low_rows(qtbot, picture) -> None:
    picture.set_table(confusion(np.eye(12).tolist()))
    many = picture.sizeHint().height()
    assert many < 12 * 36
    picture.grab()
    picture.set_table(confusion([[1, 0, 0], [0, 0, 1]]))
    assert picture.sizeHint().height() < many
    picture.grab()


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"), (999, "999"), (1000, "1.00k"), (12_345, "12.3k"),
        (999_999, "1000k"), (7_680_000, "7.68M"), (2_000_000_000, "2.00G"),
    ],
)  # fmt: skip
def test_counts_in_three_digits(count, text) -> None:
    assert short_count(count) == text


def squares() -> tuple[np.ndarray, np.ndarray]:
    """One object that is found, one that is missed, one too many; sizes differ."""
    truth, found = np.zeros((64, 64), np.int32), np.zeros((64, 64), np.int32)
    truth[2:22, 2:22], found[2:22, 2:20] = 1, 1
    truth[40:45, 2:7] = 2
    found[40:42, 40:42] = 2
    return truth, found


@pytest.fixture
def scatter(qtbot) -> ObjectScatter:
    widget = ObjectScatter()
    qtbot.addWidget(widget)
    widget.resize(380, 230)
    report = evaluate(*squares(), target="instances", objects=True)
    widget.set_points(ObjectPoints.of(report), None)
    widget.show()
    qtbot.waitExposed(widget)
    qtbot.wait(20)
    return widget


def test_a_click_on_a_point_asks_for_its_object(qtbot, scatter) -> None:
    wanted = evaluate(*squares(), target="instances", objects=True).to_list_rows()
    assert [row["kind"] for row in wanted] == ["found", "missed", "extra"]
    for position, row in enumerate(wanted):
        point = scatter.object_point(position).toPoint()
        with qtbot.waitSignal(scatter.object_asked, timeout=1000) as heard:
            qtbot.mouseClick(
                scatter.plot.viewport(), Qt.MouseButton.LeftButton, pos=point
            )
        assert heard.args == [row]
        qtbot.wait(QApplication.doubleClickInterval() // 4)


def test_larger_objects_are_on_the_right_and_better_ones_above(scatter) -> None:
    found, missed, extra = (scatter.object_point(n) for n in range(3))
    assert extra.x() < missed.x() < found.x()
    assert found.y() < missed.y() == pytest.approx(extra.y())
    assert "1&nbsp;found" in scatter.legend.text()


def test_a_click_beside_all_points_asks_for_nothing(qtbot, scatter) -> None:
    with qtbot.assertNotEmitted(scatter.object_asked, wait=50):
        qtbot.mouseClick(
            scatter.plot.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(60, 10)
        )


def test_sizes_are_in_micrometers_where_voxels_are(scatter) -> None:
    label = scatter.plot.getPlotItem().getAxis("bottom")
    assert label.labelText == "size in voxels"
    report = evaluate(*squares(), target="instances", objects=True)
    scatter.set_points(ObjectPoints.of(report), (0.5, 0.5))
    assert label.labelText == "size in µm²"
    sizes = 10 ** scatter.drawn[:, 0]
    np.testing.assert_allclose(sizes, np.array([400, 25, 4]) / 4)


def test_of_very_many_objects_some_are_drawn(qtbot, scatter) -> None:
    n, rng = 3 * MAX_POINTS, np.random.default_rng(0)
    ids, zeros = np.arange(1, n + 1, dtype=np.uint64), np.zeros(n, bool)
    every = ObjectList(
        "cell", {}, rng.integers(0, 3, n).astype(np.uint8), ids, ids, rng.random(n),
        rng.integers(1, 10_000, n), rng.random((n, 3)), zeros, zeros,
    )  # fmt: skip
    points = ObjectPoints(every.sizes, every.iou, every.kinds, (("image", every),))
    scatter.set_points(points, None)
    assert len(scatter.drawn) == MAX_POINTS
    assert f"{MAX_POINTS:,} of them are drawn" in scatter.legend.text()
    position = int(points.sample(MAX_POINTS)[-1])
    at = scatter.plot.mapToScene(scatter.object_point(position).toPoint())
    assert scatter.nearest(at) is not None


def test_kinds_have_the_colors_of_the_error_map() -> None:
    codes = (TRUE_POSITIVE, FALSE_NEGATIVE, FALSE_POSITIVE)
    colors = {row.value: row.color for row in ERROR_CLASSES.rows}
    wanted = dict(zip(KINDS, (colors[code] for code in codes), strict=True))
    assert wanted == KIND_COLORS
