from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QLabel

from napari_segtrain.image import IGNORE_INDEX, ClassInfo, ClassTable
from napari_segtrain.training.previews import PreviewPatch
from napari_segtrain.ui.widgets.patch_pictures import mean_iou, pictures_of
from napari_segtrain.ui.widgets.picture_rows import LargePictures, PictureRow
from napari_segtrain.ui.widgets.preview import PreviewPanel

CLASSES = ClassTable(
    (
        ClassInfo(0, "background", "#000000", "background"),
        ClassInfo(1, "red & round", "#ff0000"),
        ClassInfo(2, "blue", "#0000ff"),
    )
)


def patch(*, name="cells.tif", z=0, size=(20, 40), prediction=None, is_held_out=True):
    """Class 1 in the left half, nothing labelled in the last quarter."""
    image = np.full((1, *size), 100, np.uint8)
    truth = np.zeros(size, np.uint8)
    truth[:, : size[1] // 2] = 1
    truth[:, 3 * size[1] // 4 :] = IGNORE_INDEX
    if prediction is None:
        prediction = np.where(truth == 1, 1, 0).astype(np.uint8)
    return PreviewPatch(name, z, 0, 0, image, truth, prediction, is_held_out)


@pytest.fixture
def panel(qtbot):
    panel = PreviewPanel()
    qtbot.addWidget(panel)
    panel.resize(400, 600)
    panel.show()
    return panel


def rows(panel):
    return [row for row in panel.findChildren(PictureRow) if row.isVisible()]


def large(panel):
    return [w for w in panel.findChildren(LargePictures) if w.isVisible()]


def text(panel):
    return panel.findChild(QLabel).text()


def rgb(picture, x, y):
    return picture.pixelColor(x, y).getRgb()[:3]


def test_classes_are_tinted_and_what_is_unlabelled_is_dim():
    image, truth, prediction = pictures_of(patch(), CLASSES)
    gray = rgb(image, 8, 10)
    assert len(set(gray)) == 1
    red, green, blue = rgb(truth, 8, 10)
    assert red > green == blue
    assert rgb(truth, 25, 10) == gray
    assert max(rgb(truth, 37, 10)) < gray[0]
    assert rgb(prediction, 37, 10) == gray
    hatched = {rgb(truth, x, 10) for x in range(31, 40)}
    assert len(hatched) == 2


def test_pictures_do_not_lean_on_the_memory_of_the_patch():
    shown = patch()
    picture = pictures_of(shown, CLASSES)[0]
    before = rgb(picture, 3, 3)
    shown.image[:] = 0
    assert rgb(picture, 3, 3) == before


@pytest.mark.parametrize("n_channels", [1, 2, 3, 5])
def test_any_number_of_channels_is_shown(n_channels):
    shown = patch()
    image = np.tile(shown.image, (n_channels, 1, 1))
    shown = PreviewPatch("a", 0, 0, 0, image, shown.truth, shown.prediction)
    assert pictures_of(shown, CLASSES)[0].width() == 40


def test_the_score_is_that_of_the_labelled_foreground():
    assert mean_iou(patch(), CLASSES) == 1
    everywhere = np.ones((20, 40), np.uint8)
    assert mean_iou(patch(prediction=everywhere), CLASSES) == pytest.approx(20 / 30)
    other = np.full((20, 40), 2, np.uint8)
    assert mean_iou(patch(prediction=other), CLASSES) == 0
    empty = patch()
    empty.truth[:] = IGNORE_INDEX
    assert mean_iou(empty, CLASSES) is None


def test_a_caption_says_what_it_is(panel):
    panel.show_patches([patch(), patch(name="b", z=7, is_held_out=False)], CLASSES)
    assert panel.captions == [
        "cells.tif · slice 0 · IoU 1.00",
        "b · slice 7 · IoU 1.00 · trained on",
    ]
    panel.show_patches([patch()], CLASSES)
    assert panel.captions == ["cells.tif · IoU 1.00"]
    assert rows(panel)[0].accessibleName().startswith("cells.tif · IoU 1.00: image")
    assert "red&nbsp;&amp;&nbsp;round" in text(panel)
    assert "background" not in text(panel)


def test_without_patches_it_says_when_they_come(panel):
    assert text(panel) == "Patches are shown after the first validation."
    panel.show_patches([patch()], CLASSES)
    panel.clear()
    assert text(panel) == "Patches are shown after the first validation."
    assert rows(panel) == []


def test_pictures_take_the_width_of_the_dock(panel, qtbot):
    panel.show_patches([patch()], CLASSES)
    row = rows(panel)[0]
    heights = {}
    for width in (400, 800):
        panel.resize(width, 600)
        QApplication.processEvents()
        heights[width] = row.height()
        assert row.width() == width
    assert heights[800] - heights[400] == pytest.approx(400 / 3 / 2, abs=2)
    assert row.minimumSizeHint().width() <= 200


def test_the_pictures_are_painted(panel):
    panel.show_patches([patch()], CLASSES)
    QApplication.processEvents()
    shown = rows(panel)[0].grab().toImage()
    colors = {
        shown.pixelColor(x, y).getRgb()[:3]
        for x in range(shown.width())
        for y in range(shown.height())
    }
    assert any(red > 1.5 * green for red, green, _ in colors)


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_a_row_is_enlarged_and_follows_the_run(panel, qtbot, by):
    panel.show_patches([patch(), patch(name="second")], CLASSES)
    row = rows(panel)[1]
    if by == "mouse":
        qtbot.mouseClick(row, Qt.MouseButton.LeftButton)
    else:
        qtbot.keyClick(row, Qt.Key.Key_Return)
    [window] = large(panel)
    assert window.windowTitle() == "second · IoU 1.00"
    other = np.zeros((20, 40), np.uint8)
    panel.show_patches([patch(), patch(name="second", prediction=other)], CLASSES)
    assert window.windowTitle() == "second · IoU 0.00"
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert large(panel) == []
    panel.show_patches([patch()], CLASSES)


def test_a_row_that_is_gone_is_no_longer_enlarged(panel, qtbot):
    panel.show_patches([patch()], CLASSES)
    qtbot.mouseClick(rows(panel)[0], Qt.MouseButton.LeftButton)
    assert len(large(panel)) == 1
    panel.clear()
    assert large(panel) == []
    panel.show_patches([patch()], CLASSES)
    qtbot.mouseClick(rows(panel)[0], Qt.MouseButton.LeftButton)
    assert len(large(panel)) == 1
