"""Docks of the plugin, opened from one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

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
