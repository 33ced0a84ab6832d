"""What napari lists in its activity window."""

from __future__ import annotations

from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar
from qtpy.QtWidgets import QApplication, QPushButton


def cancel_buttons(title: str) -> list[QPushButton]:
    """Those that a user can press to end the work of this title."""
    widgets = QApplication.allWidgets()
    bars = [widget for widget in widgets if isinstance(widget, QtLabeledProgressBar)]
    named = [bar for bar in bars if bar.description_label.text() == f"{title}: "]
    return [bar.cancel_button for bar in named if bar.cancel_button.isVisibleTo(bar)]
