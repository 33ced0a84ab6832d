from __future__ import annotations

import gc
import weakref

import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QWidget

from napari_segtrain.ui.widgets.theme import (
    contrast,
    follow_theme,
    mix,
    palette_of,
    readable,
)


class Themed(QWidget):
    def __init__(self):
        super().__init__()
        self.seen = []

    def apply_theme(self, theme_id):
        self.seen.append(theme_id)


@pytest.fixture
def widget(qtbot):
    widget = Themed()
    qtbot.addWidget(widget)
    return widget


@pytest.mark.parametrize("theme_id", ["dark", "light"])
def test_text_in_every_color_can_be_read(theme_id):
    palette = palette_of(theme_id)
    for color in (palette.text, palette.accent, palette.error, palette.warning):
        assert contrast(color, palette.background) >= 4.5
    for color in ("#000000", "#ffffff", palette.background):
        assert contrast(palette.line(color), palette.background) >= 2.5


def test_the_theme_of_the_system_has_colors_too(qtbot):
    assert palette_of("system") in {palette_of("dark"), palette_of("light")}


def test_contrast_is_that_of_the_standard():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#123456", "#123456") == 1


def test_colors_that_stand_out_stay_and_blending_goes_all_the_way():
    assert readable("#ff0000", "#000000", 3) == "#ff0000"
    assert mix("#ff0000", "#0000ff", 0) == "#ff0000"
    assert mix("#ff0000", "#0000ff", 1) == "#0000ff"


def test_a_widget_follows_the_theme_of_the_viewer(widget):
    viewer = ViewerModel()
    viewer.theme = "dark"
    follow_theme(viewer, widget)
    viewer.theme = "light"
    assert widget.seen == ["dark", "light"]


def test_neither_keeps_the_other_alive(qtbot):
    viewer, widget, longer = ViewerModel(), Themed(), Themed()
    qtbot.addWidget(longer)
    follow_theme(viewer, widget)
    gone = weakref.ref(widget)
    del widget
    gc.collect()
    assert gone() is None
    viewer.theme = "light"
    viewer.theme = "dark"

    follow_theme(viewer, longer)
    gone = weakref.ref(viewer)
    del viewer
    gc.collect()
    assert gone() is None


def test_a_deleted_widget_is_left_alone(qtbot):
    viewer, widget = ViewerModel(), Themed()
    viewer.theme = "dark"
    follow_theme(viewer, widget)
    with qtbot.waitSignal(widget.destroyed):
        widget.deleteLater()
    viewer.theme = "light"
    assert widget.seen == ["dark"]
