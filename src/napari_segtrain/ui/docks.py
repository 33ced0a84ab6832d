"""Docks of the plugin, opened from one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_segtrain.ui.preferences import PLUGIN

if TYPE_CHECKING:
    from napari_segtrain.ui.session import Session

Dock = Literal["Train", "Predict", "Compare", "Models"]


def open_dock(session: Session, name: Dock) -> Any:
    """Open a dock of this plugin, or bring it to the front.

    Returns
    -------
    QWidget or None
        The widget in it; ``None`` without a window.
    """
    window = getattr(session.viewer, "window", None)
    if window is None:
        return None
    dock, widget = window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
    dock.show()
    dock.raise_()
    return widget


def gather_docks(widget: QWidget) -> None:
    """Let a dock share its place with the others of this plugin, as a tab.

    One above the other, as napari puts them, they have no room.

    Parameters
    ----------
    widget : QWidget
        In the dock; this happens once, when it is first shown.
    """
    widget.installEventFilter(_Gatherer(widget))


class _Gatherer(QObject):
    """Waits until a widget is shown in its dock."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        widget = self.parent()
        is_shown = event is not None and event.type() == QEvent.Type.Show
        if is_shown and watched is widget and isinstance(widget, QWidget):
            widget.removeEventFilter(self)
            QTimer.singleShot(0, self._gather)
        return False

    def _gather(self) -> None:
        widget = self.parent() if isalive(self) else None
        dock = _dock_of(widget) if isinstance(widget, QWidget) else None
        window = None if dock is None else dock.parentWidget()
        if dock is None or not isinstance(window, QMainWindow) or dock.isFloating():
            return
        others = [x for x in window.findChildren(QDockWidget) if _is_beside(x, dock)]
        if others and not set(window.tabifiedDockWidgets(dock)) & set(others):
            window.tabifyDockWidget(others[0], dock)
            dock.show()
            dock.raise_()


def _dock_of(widget: QWidget) -> QDockWidget | None:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


def _is_beside(other: QDockWidget, dock: QDockWidget) -> bool:
    """Whether another dock is of this plugin, and on the same side of the window."""
    window = dock.parentWidget()
    if other is dock or other.isHidden() or other.isFloating():
        return False
    is_ours = other.windowTitle().endswith(f"({PLUGIN})")
    is_docked = isinstance(window, QMainWindow) and other.parentWidget() is window
    return (
        is_ours
        and is_docked
        and window.dockWidgetArea(other) == window.dockWidgetArea(dock)
    )
