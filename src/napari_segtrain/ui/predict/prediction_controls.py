"""Start, progress and end of a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.ui.widgets.beat import Beat
from napari_segtrain.ui.widgets.button_rows import ButtonRows, keep_place
from napari_segtrain.ui.widgets.calm_label import CalmLabel
from napari_segtrain.ui.widgets.texts import duration_text, remaining_text

if TYPE_CHECKING:
    from napari_segtrain.ui.predict.prediction_run import PredictionRun

_FULL = 1000
_MILLION = 1e6
_SURE = 0.02
"""Share from which on the time that is left can be told."""


class PredictionControls(QWidget):
    """State and progress of a prediction, and the buttons that go with it.

    Attributes
    ----------
    start_asked : Signal()
        The user wants to predict.
    stop_asked : Signal()
        The user wants to stop.
    """

    start_asked = Signal()
    stop_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.start_button = QPushButton("&Predict")
        self.stop_button = QPushButton("S&top")
        self._buttons = ButtonRows([self.start_button], [self.stop_button])
        self.state = CalmLabel()
        self.bar = QProgressBar()
        self._beat = Beat(self)
        self._run: PredictionRun | None = None
        self._run_state: str | None = None
        self._build_layout()
        self.start_button.clicked.connect(self.start_asked)
        self.stop_button.clicked.connect(self.stop_asked)
        self._beat.struck.connect(self._show_progress)
        self._show_buttons()
        self._show_progress()

    def show_run(self, run: PredictionRun | None) -> None:
        """Show the state of a prediction: another one at once, progress by and by."""
        state = None if run is None else run.state
        is_another = run is not self._run or state != self._run_state
        self._run, self._run_state = run, state
        if is_another:
            self._show_buttons()
            self._show_progress()
        else:
            self._beat.request()

    def _show_buttons(self) -> None:
        run = self._run
        is_running = run is not None and run.is_running
        self._buttons.setCurrentIndex(int(is_running))
        self.stop_button.setEnabled(run is not None and run.state != "stopping")
        self.bar.setVisible(is_running)

    def _show_progress(self) -> None:
        run = self._run
        text = "" if run is None else state_text(run)
        self.state.setText(text)
        self.state.setVisible(bool(text))
        share = run.progress.share if run is not None and run.progress else None
        self.bar.setRange(0, 0 if share is None else _FULL)
        if share is not None:
            self.bar.setValue(round(_FULL * share))

    def _build_layout(self) -> None:
        self.start_button.setToolTip("Segment the images that are checked")
        self.stop_button.setToolTip("End soon; what is done stays, marked incomplete")
        self.state.setAccessibleName("State of the prediction")
        self.bar.setAccessibleName("Progress of the prediction")
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        keep_place(self.bar)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.state, self.bar, self._buttons):
            layout.addWidget(widget)


def state_text(run: PredictionRun) -> str:
    """Say what a prediction does, or how it ended; empty after a failure."""
    if run.state == "loading":
        return "Loading the model"
    if run.state == "ended":
        return _with_engine(_end_text(run), run)
    if run.state == "stopping":
        return "Stopping after the present tiles"
    return _with_engine(_progress_text(run), run)


def _with_engine(text: str, run: PredictionRun) -> str:
    """Add what runs the network."""
    if not text or not run.engines:
        return text
    return f"{text}\nEngine: {', '.join(engine.words for engine in run.engines)}"


def _progress_text(run: PredictionRun) -> str:
    progress = run.progress
    if progress is None:
        return "Predicting"
    n = len(run.names)
    number = f" ({progress.number + 1} of {n})" if n > 1 else ""
    parts = [f"Predicting {run.names[progress.number]}{number}"]
    parts.append(f"{round(100 * progress.share)} %")
    if progress.share > _SURE:
        left = progress.seconds * (1 / progress.share - 1)
        parts.append(remaining_text(left))
        parts.append(f"{progress.voxels_per_second / _MILLION:.2g} Mvoxel/s")
    return " · ".join(parts)


def _end_text(run: PredictionRun) -> str:
    outcome, n = run.outcome, len(run.names)
    if run.failure is not None or outcome is None:
        return ""
    time = duration_text(outcome.seconds)
    what = run.names[0] if n == 1 else f"{n} images"
    if outcome.n_complete == n:
        return f"Done: {what} in {time}"
    return f"Stopped after {time}: what is done stays, and is marked incomplete"
