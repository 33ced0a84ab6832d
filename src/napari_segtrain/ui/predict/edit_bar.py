"""Edit and Save of labels that lie in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from napari_segtrain.ui.predict.store_editing import editable_store, edited_of
from napari_segtrain.ui.predict.store_edits import edits_of
from napari_segtrain.ui.session import session_of

if TYPE_CHECKING:
    from napari.layers import Layer


class EditBar(QWidget):
    """Shown while labels in a store, or edits of them, are selected in the viewer.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.

    Attributes
    ----------
    failed : Signal(Failure)
        Why edits could not be opened or saved.
    """

    failed = Signal(object)

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session_of(viewer)
        self._edits = edits_of(self._session)
        self.state = QLabel()
        self.edit_button = QPushButton("&Edit these labels")
        self.save_button = QPushButton("&Save edits")
        self._build_layout()
        self._connect()
        self._show()

    def _build_layout(self) -> None:
        self.edit_button.setToolTip(
            "Open the full resolution as a layer to paint on: napari cannot paint on "
            "layers of several resolutions"
        )
        self.save_button.setToolTip("Write the edits into the store")
        self.state.setAccessibleName("Edits")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.state, stretch=1)
        row.addWidget(self.edit_button)
        row.addWidget(self.save_button)

    def _connect(self) -> None:
        viewer = self._session.viewer
        if viewer is not None:
            viewer.layers.selection.events.active.connect(self._on_active_changed)
        self._edits.changed.connect(self._show)
        self._edits.failed.connect(self.failed)
        self.edit_button.clicked.connect(self._on_edit_clicked)
        self.save_button.clicked.connect(self._edits.save)

    def _active(self) -> Layer | None:
        viewer = self._session.viewer
        return None if viewer is None else viewer.layers.selection.active

    def _show(self) -> None:
        layer = self._active()
        array, store = edited_of(layer), editable_store(layer)
        self.setVisible(array is not None or store is not None)
        self.edit_button.setVisible(store is not None)
        self.save_button.setVisible(array is not None)
        self.state.setText("" if store is None else store.name)
        if array is not None:
            n, is_saving = array.n_changed, self._edits.is_saving(array)
            words = f"Edits in {n} block{'s' * (n != 1)}" if n else "No unsaved edits"
            self.state.setText("Saving" if is_saving else words)
            self.save_button.setEnabled(bool(n) and not is_saving)

    def _on_active_changed(self, _event: Any = None) -> None:
        if isalive(self):
            self._show()

    def _on_edit_clicked(self) -> None:
        layer = self._active()
        if isinstance(layer, Labels) and editable_store(layer) is not None:
            self._edits.edit(layer)
