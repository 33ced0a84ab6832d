"""Docks of the plugin, opened from the menu as napari opens them."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QDockWidget

PLUGIN = "napari-segtrain"


@pytest.fixture(autouse=True)
def looked_at():
    """Wait for the threads in which docks look at the machine and at models."""
    yield
    QThreadPool.globalInstance().waitForDone()


def dock_of(widget) -> QDockWidget:
    while not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return widget


def test_docks_share_one_place_as_tabs(qtbot, make_napari_viewer_proxy) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    names = ("Train", "Predict", "Compare")
    widgets = [viewer.window.add_plugin_dock_widget(PLUGIN, n)[1] for n in names]
    docks = [dock_of(widget) for widget in widgets]
    window = docks[0].parentWidget()
    qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(docks[0])) == 2)
    qtbot.waitUntil(lambda: not widgets[2].visibleRegion().isEmpty())
    assert widgets[0].visibleRegion().isEmpty()


def test_a_dock_that_floats_is_left_alone(qtbot, make_napari_viewer_proxy) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    _, train = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    dock_of(train).setFloating(True)
    _, models = viewer.window.add_plugin_dock_widget(PLUGIN, "Models")
    qtbot.wait(50)
    assert dock_of(train).isFloating()
    assert not dock_of(models).parentWidget().tabifiedDockWidgets(dock_of(models))
