"""Which weights a training begins with, when not with new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from napari_segtrain.ui.session import session_of

if TYPE_CHECKING:
    from pathlib import Path


class BaseRow(QWidget):
    """Names the model to train on from; hidden while there is none.

    Parameters
    ----------
    viewer : ViewerModel
        Whose session is shown.
    parent : QWidget, optional
        Owner.
    """

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session_of(viewer)
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.clear_button = QPushButton("Begin &anew")
        self.clear_button.setToolTip("Train new weights instead")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label, stretch=1)
        layout.addWidget(self.clear_button)
        self.clear_button.clicked.connect(self._on_clear_clicked)
        self._session.base_chosen.connect(self._on_session_base_chosen)
        self._on_session_base_chosen(self._session.base_path)

    def _on_session_base_chosen(self, path: Path | None) -> None:
        self.setVisible(path is not None)
        if path is not None:
            self.label.setText(
                f"Goes on from the weights of '{path.name}', with its network."
            )
            self.label.setToolTip(str(path))

    def _on_clear_clicked(self) -> None:
        self._session.choose_base(None)
