"""Start, progress and steering of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.ui.train.run_view import RunView
from napari_segtrain.ui.train.run_words import progress_text, state_text
from napari_segtrain.ui.widgets.beat import Beat
from napari_segtrain.ui.widgets.button_rows import ButtonRows, keep_place
from napari_segtrain.ui.widgets.calm_label import CalmLabel

if TYPE_CHECKING:
    from napari_segtrain.control import Event

_FULL = 1000


class TrainingControls(RunView):
    """State and progress of a run, and the buttons that go with its state.

    Attributes
    ----------
    start_asked : Signal()
        The user wants to train.
    """

    start_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = CalmLabel()
        self._note = QLabel()
        self._bar = QProgressBar()
        self._beat = Beat(self)
        self.start_button = _button(
            "Star&t training", "Train a network with the images and labels above"
        )
        self.pause_button = _button(
            "&Pause", "Hold the training; it takes no time and no processor meanwhile"
        )
        self.finish_button = _button(
            "&Finish now",
            "End soon with a good model: the learning rate is brought down, and the "
            "model is judged and saved",
        )
        self.stop_button = _button(
            "S&top", "End at once; what was learned is saved and can be resumed"
        )
        self._buttons = ButtonRows(
            [self.start_button],
            [self.pause_button, self.finish_button, self.stop_button],
        )
        self._build_layout()
        self._connect()
        self._begin()

    def _build_layout(self) -> None:
        self._note.setWordWrap(True)
        self._state.setAccessibleName("State of the training")
        self._bar.setAccessibleName("Progress of the training")
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(8)
        keep_place(self._bar)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self._state, self._bar, self._note, self._buttons):
            layout.addWidget(widget)

    def _connect(self) -> None:
        self._beat.struck.connect(self._show_progress)
        self.start_button.clicked.connect(self._on_start_clicked)
        self.pause_button.clicked.connect(self._on_pause_clicked)
        self.finish_button.clicked.connect(self._on_finish_clicked)
        self.stop_button.clicked.connect(self._on_stop_clicked)

    def _begin(self) -> None:
        self._show_state()
        self._show_progress()

    def _on_run_changed(self, _state: str) -> None:
        self._show_state()
        self._show_progress()

    def _on_run_event(self, _event: Event) -> None:
        self._beat.request()

    def _show_state(self) -> None:
        state = "ended" if self._run is None else self._run.state
        is_running = state != "ended"
        self._buttons.setCurrentIndex(int(is_running))
        self.pause_button.setText("Go &on" if state == "pausing" else "&Pause")
        self.pause_button.setEnabled(state in {"training", "pausing"})
        self.finish_button.setEnabled(state in {"training", "pausing"})
        self.stop_button.setEnabled(state != "stopping")
        self._bar.setVisible(is_running)

    def _show_progress(self) -> None:
        run = self._run
        if run is None:
            for label in (self._state, self._note):
                label.hide()
            return
        details = progress_text(run)
        text = f"{state_text(run)} · {details}" if details else state_text(run)
        _show_text(self._state, text)
        _show_text(self._note, run.note if run.is_running else "")
        latest = run.tuning or run.history.last
        share = None if latest is None else latest.share
        self._bar.setRange(0, 0 if share is None else _FULL)
        if share is not None:
            self._bar.setValue(round(share * _FULL))

    def _on_start_clicked(self) -> None:
        self.start_asked.emit()

    def _on_pause_clicked(self) -> None:
        if self._run is None:
            return
        if self._run.is_paused:
            self._run.resume()
        else:
            self._run.pause()

    def _on_finish_clicked(self) -> None:
        if self._run is not None:
            self._run.finish()

    def _on_stop_clicked(self) -> None:
        if self._run is not None:
            self._run.stop()


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleDescription(tip)
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return button


def _show_text(label: QLabel, text: str) -> None:
    label.setText(text)
    label.setVisible(bool(text))
