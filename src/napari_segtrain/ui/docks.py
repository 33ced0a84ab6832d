"""Docks of the plugin, opened from one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_segtrain.ui.preferences import PLUGIN

if TYPE_CHECKING:
    from qtpy.QtGui import QShowEvent

    from napari_segtrain.ui.session import Session

Dock = Literal["Train", "Predict", "Compare", "Objects", "Models"]


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


class DockContent(QWidget):
    """Widget in a dock, which shares its place with the others of this plugin.

    They are tabs; one above the other, as napari puts them, they have no room. This
    happens once, when it is first shown.
    """

    _is_gathered = False

    def showEvent(self, event: QShowEvent | None) -> None:
        """Join the other docks, once all of this one is there."""
        super().showEvent(event)
        if not self._is_gathered:
            self._is_gathered = True
            QTimer.singleShot(0, self._gather)

    def changeEvent(self, event: QEvent | None) -> None:
        """End with the dock, in the GUI thread; what the session holds goes on."""
        super().changeEvent(event)
        is_moved = event is not None and event.type() == QEvent.Type.ParentChange
        if is_moved and self.parent() is None:
            self.end()
            self.deleteLater()

    def end(self) -> None:
        """Leave what does not outlive the dock."""

    def _gather(self) -> None:
        dock = _dock_of(self) if isalive(self) else None
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
