"""Where results go: into memory, or into stores on the disk."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.config import VolumeConfig
from napari_segtrain.errors import ConfigError
from napari_segtrain.ui.predict.prediction_events import StoreOrder
from napari_segtrain.ui.preferences import read_preferences
from napari_segtrain.ui.widgets.forms import ConfigForm

MEMORY, STORE = range(2)
_FOLDER = "predictions"


class ResultBox(QWidget):
    """Memory or stores, and for stores a folder and the blocks.

    Until the user chooses, images whose results are too large for memory go into
    stores.

    Attributes
    ----------
    changed : Signal()
        Something else is chosen.
    preview_asked : Signal()
        The user wants to see which blocks are left empty.
    """

    changed = Signal()
    preview_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind_box = QComboBox()
        self.folder_edit = QLineEdit()
        self.browse_button = QPushButton("&Browse…")
        self.preview_button = QPushButton("Show &empty blocks")
        self.form = ConfigForm(VolumeConfig, hidden=("downsampling",), title="&Blocks")
        self._folder_row = QWidget()
        self._is_chosen = False
        self._build_layout()
        self.kind_box.currentIndexChanged.connect(self._on_kind_index_changed)
        self.folder_edit.textChanged.connect(self.changed)
        self.browse_button.clicked.connect(self._on_browse_clicked)
        self.form.changed.connect(self.changed)
        self.preview_button.clicked.connect(self.preview_asked)
        self._show()

    def suggest(self, *, is_large: bool) -> None:
        """Say whether results are too large for memory."""
        if not self._is_chosen:
            with QSignalBlocker(self.kind_box):
                self.kind_box.setCurrentIndex(STORE if is_large else MEMORY)
            self._show()

    def order(self) -> StoreOrder | None:
        """Folder and blocks of stores; ``None`` for results in memory.

        Raises
        ------
        ConfigError
            When there is no folder, or a setting is wrong.
        """
        if self.kind_box.currentIndex() == MEMORY:
            return None
        text = self.folder_edit.text().strip()
        if not text and self.folder_edit.placeholderText():
            text = self.folder_edit.placeholderText()
        folder = Path(text).expanduser()
        if not folder.is_absolute():
            raise ConfigError(
                f"'{text}' does not say where stores are to be made; give a whole path."
            )
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder} is a file; choose a folder for the stores.")
        return StoreOrder(folder, self.form.config())

    def _build_layout(self) -> None:
        self.kind_box.addItems(["Layers in memory", "Stores on the disk"])
        self.kind_box.setAccessibleName("Where results go")
        self.kind_box.setToolTip(
            "Stores (OME-Zarr) may be larger than memory; what was stopped there goes "
            "on"
        )
        self.preview_button.setToolTip(
            "Add a layer of the blocks that are predicted, lie outside of the area or "
            "are darker than Blocks > empty below; nothing is predicted"
        )
        self.folder_edit.setAccessibleName("Folder of stores")
        self.folder_edit.setPlaceholderText(
            str(read_preferences().run_folder / _FOLDER)
        )
        line = QHBoxLayout(self._folder_row)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.folder_edit, stretch=1)
        line.addWidget(self.browse_button)
        self._rows = QFormLayout()
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(4)
        self._rows.addRow("Result", self.kind_box)
        self._rows.addRow("Folder", self._folder_row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._rows)
        layout.addWidget(self.form)
        layout.addWidget(self.preview_button)

    def _show(self) -> None:
        is_store = self.kind_box.currentIndex() == STORE
        self._rows.setRowVisible(self._folder_row, is_store)
        self.form.setVisible(is_store)
        self.preview_button.setVisible(is_store)

    def _on_kind_index_changed(self) -> None:
        self._is_chosen = True
        self._show()
        self.changed.emit()

    def _on_browse_clicked(self) -> None:
        start = self.folder_edit.text() or self.folder_edit.placeholderText()
        name = QFileDialog.getExistingDirectory(self, "Folder for stores", start)
        if name:
            self.folder_edit.setText(name)
