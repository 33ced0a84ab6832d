"""The button that makes new training labels for an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPoint, Qt, Signal
from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton, QWidget

from napari_segtrain.errors import SegtrainError
from napari_segtrain.ui.layers.new_labels import (
    add_labels,
    add_stored_labels,
    fits_in_memory,
    open_stored_labels,
)
from napari_segtrain.ui.layers.reading import check_layer_axes
from napari_segtrain.ui.preferences import default_run_folder
from napari_segtrain.ui.session import session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels

    from napari_segtrain.ui.layers.samples import SampleRow


class NewLabelsButton(QPushButton):
    """Makes labels around the view; of a large image it asks where they are to lie.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.
    row : callable
        Gives the row whose image the labels are for.
    parent : QWidget, optional
        Owner.

    Attributes
    ----------
    asked : Signal()
        A layer is about to be added.
    made : Signal(object)
        It was added; carries the Labels layer.
    failed : Signal(str)
        Why it was not, for the user.
    """

    asked = Signal()
    made = Signal(object)
    failed = Signal(str)

    def __init__(
        self, viewer: Any, row: Callable[[], SampleRow], parent: QWidget | None = None
    ) -> None:
        super().__init__("New", parent)
        self._session = session_of(viewer)
        self._row = row
        self.where_menu = QMenu(self)
        self.where_menu.addAction("Around the view", self.make_in_memory)
        self.where_menu.addAction(
            "For all of the image, in a folder …", self._on_new_action_triggered
        )
        self.where_menu.addAction(
            "Go on with labels in a folder …", self._on_old_action_triggered
        )
        self.setToolTip("New training labels for this image, to paint on")
        self.setAccessibleName("New training labels")
        self.clicked.connect(self._on_self_clicked)

    def make_in_memory(self) -> None:
        """Add labels around the view."""
        self._make(add_labels)

    def make_in_folder(self, folder: str) -> None:
        """Add labels for all of the image in a new store in a folder."""
        self._make(add_stored_labels, Path(folder))

    def open_folder(self, folder: str) -> None:
        """Add labels that lie in a store."""
        self._make(open_stored_labels, Path(folder))

    def _on_self_clicked(self) -> None:
        """Make small labels at once, and offer a choice for large ones."""
        row = self._row()
        try:
            axes = check_layer_axes(row.images[0], row.known_axes)
        except SegtrainError as error:
            self.failed.emit(str(error))
            return
        if fits_in_memory(row.images[0], axes, level=row.level):
            self.make_in_memory()
        else:
            self.where_menu.popup(self.mapToGlobal(QPoint(0, self.height())))

    def _make(self, make: Callable[..., Labels], *where: Path) -> None:
        row, viewer = self._row(), self._session.viewer
        if viewer is None or not row.images:
            return
        self.asked.emit()
        try:
            axes = check_layer_axes(row.images[0], row.known_axes)
            layer = make(viewer, row.images[0], *where, axes=axes, level=row.level)
        except SegtrainError as error:
            self.failed.emit(str(error))
            return
        self.made.emit(layer)

    def _on_new_action_triggered(self) -> None:
        dialog = self._opened("Folder for the labels")
        dialog.fileSelected.connect(self.make_in_folder)

    def _on_old_action_triggered(self) -> None:
        dialog = self._opened("Labels to go on with")
        dialog.fileSelected.connect(self.open_folder)

    def _opened(self, title: str) -> QFileDialog:
        dialog = QFileDialog(self, title, str(default_run_folder().parent))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()
        return dialog
