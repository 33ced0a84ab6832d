"""How a training ended, and what to do with its model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_segtrain.ui.train.run_view import RunView
from napari_segtrain.ui.train.run_words import decision_text, score_text

if TYPE_CHECKING:
    from pathlib import Path


class OutcomeView(RunView):
    """Score of a run that has ended; hidden while there is none.

    Attributes
    ----------
    predict_asked, train_asked, resume_asked : Signal(Path)
        The user wants to use the model, to go on from its weights with the present
        labels, or to go on with the run; carries the run folder.
    """

    predict_asked = Signal(object)
    train_asked = Signal(object)
    resume_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._score = QLabel()
        self.predict_button = _button(
            "Predict with this &model", "Choose the model in the Predict dock"
        )
        self.train_button = _button(
            "Train &on", "Begin a new run with these weights and the present labels"
        )
        self.resume_button = _button("&Resume", "Go on with this run where it stopped")
        self.folder_button = _button("Open run f&older", "Show the files of the run")
        self._build_layout()
        self._connect()
        self._begin()

    def _build_layout(self) -> None:
        self._score.setWordWrap(True)
        self._score.setAccessibleName("Score of the training")
        grid = QGridLayout()
        grid.setSpacing(4)
        grid.addWidget(self.predict_button, 0, 0, 1, 2)
        grid.addWidget(self.resume_button, 1, 0, 1, 2)
        grid.addWidget(self.train_button, 2, 0)
        grid.addWidget(self.folder_button, 2, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._score)
        layout.addLayout(grid)

    def _connect(self) -> None:
        self.predict_button.clicked.connect(self._on_predict_clicked)
        self.train_button.clicked.connect(self._on_train_clicked)
        self.resume_button.clicked.connect(self._on_resume_clicked)
        self.folder_button.clicked.connect(self._on_folder_clicked)

    def _begin(self) -> None:
        result = None if self.run is None else self.run.result
        self.setVisible(result is not None)
        if self.run is None or result is None:
            return
        text = score_text(
            result.score, is_complete=result.is_complete, spread=result.spread
        )
        score = f"{text[:1].upper()}{text[1:]}."
        lines = [score, result.verdict, decision_text(self.run)]
        self._score.setText("\n".join(line for line in lines if line))
        self.resume_button.setVisible(not result.is_complete)

    def _on_run_changed(self, _state: str) -> None:
        self._begin()

    def _run_dir(self) -> Path | None:
        result = None if self.run is None else self.run.result
        return None if result is None else result.run_dir

    def _on_predict_clicked(self) -> None:
        self.predict_asked.emit(self._run_dir())

    def _on_train_clicked(self) -> None:
        self.train_asked.emit(self._run_dir())

    def _on_resume_clicked(self) -> None:
        self.resume_asked.emit(self._run_dir())

    def _on_folder_clicked(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._run_dir())))


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleDescription(tip)
    return button
