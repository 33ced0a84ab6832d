"""Live curves of a training run; draws a history, knows no trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.image import default_color
from napari_segtrain.ui.widgets.beat import Beat
from napari_segtrain.ui.widgets.calm_label import CalmLabel
from napari_segtrain.ui.widgets.curve_history import (
    CurveHistory,
    EpochPoint,
    Values,
    smooth,
)
from napari_segtrain.ui.widgets.curve_plot import MAX_THICK, CurvePlot, Line
from napari_segtrain.ui.widgets.theme import palette_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_segtrain.image import ClassTable

_SECONDS_PER_MINUTE = 60
_AXES = ("iterations", "minutes")
_RAW_OPACITY = 0.25


class TrainingCurves(QWidget):
    """Losses above, validation IoU per class below, over iterations or minutes.

    Draws at most once a second, and nothing while it is hidden.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._history = CurveHistory()
        self._colors: dict[str, str] = {}
        self._hovered: float | None = None
        self._theme = palette_of("dark")
        self._axis = QComboBox()
        self._log = QCheckBox("&log loss")
        self._losses = CurvePlot("loss", names_best=True)
        self._scores = CurvePlot("validation IoU")
        self._readout = CalmLabel()
        self._beat = Beat(self)
        self._set_up_children()
        self._build_layout()
        self._connect()
        self.apply_theme("dark")

    def add_iteration(self, iteration: int, seconds: float, loss: float) -> None:
        """Append the loss of one iteration, ``seconds`` after the start."""
        self._history.track.add(iteration, seconds, loss)
        self._request_redraw()

    def add_epoch(
        self,
        *,
        epoch: int,
        iteration: int,
        seconds: float,
        training_loss: float,
        validation_loss: float | None,
        iou: Mapping[str, float | None],
        is_best: bool,
    ) -> None:
        """Append a validation; the parameters are those of `EpochEnd`."""
        point = EpochPoint(
            epoch=epoch,
            iteration=iteration,
            seconds=seconds,
            training_loss=training_loss,
            validation_loss=validation_loss,
            iou=dict(iou),
            is_best=is_best,
        )
        self._history.add_epoch(point)
        self._request_redraw()

    def add_event(self, event: Any) -> None:
        """Append an `IterationEnd` or `EpochEnd`, or what has the same attributes."""
        if hasattr(event, "training_loss"):
            names = EpochPoint.__dataclass_fields__
            self.add_epoch(**{name: getattr(event, name) for name in names})
        else:
            self.add_iteration(event.iteration, event.seconds, event.loss)

    def set_history(self, points: Iterable[Any]) -> None:
        """Show a run from its beginning: its events, in any order by kind."""
        self._history = CurveHistory()
        for point in points:
            self.add_event(point)
        self._request_redraw()

    def set_classes(self, classes: ClassTable) -> None:
        """Take the colors of the classes."""
        self._colors = {row.name: row.color for row in classes.classes}
        self._request_redraw()

    def clear(self) -> None:
        """Forget the run."""
        self.set_history(())

    def apply_theme(self, theme_id: str) -> None:
        """Take the colors of a napari theme."""
        self._theme = palette_of(theme_id)
        for plot in (self._losses, self._scores):
            plot.apply(self._theme)
        self._request_redraw()

    def redraw(self) -> None:
        """Draw what is known now."""
        self._beat.cancel()
        track = self._history.track.points()
        x_track = self._x(track[:, 0], track[:, 1])
        best = self._history.best
        x_best = None
        if best is not None:
            x_best = (
                best.seconds / _SECONDS_PER_MINUTE if self._is_time else best.iteration
            )
        self._losses.draw(self._loss_lines(x_track, track[:, 2]), x_best)
        self._scores.draw(self._score_lines(), x_best)
        self._show_range(x_track)
        for plot in (self._losses, self._scores):
            plot.settle()
        self._show_values()

    def showEvent(self, event: Any) -> None:
        """Draw what came in while the widget was hidden."""
        super().showEvent(event)
        self.redraw()

    def _set_up_children(self) -> None:
        self._axis.addItems(_AXES)
        self._axis.setAccessibleName("x axis of the curves")
        self._axis.setToolTip("What the curves are drawn against")
        self._log.setToolTip("Show the losses on a logarithmic scale")
        self._losses.hide_x_values()
        self._losses.link(self._scores)
        self._scores.set_fixed_range(0, 1)
        self._readout.setMinimumHeight(2 * self._readout.fontMetrics().lineSpacing())
        self._readout.setAccessibleName("Values of the curves")

    def _build_layout(self) -> None:
        controls = QHBoxLayout()
        controls.addWidget(self._axis)
        controls.addWidget(self._log)
        controls.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(controls)
        layout.addWidget(self._losses, 1)
        layout.addWidget(self._scores, 1)
        layout.addWidget(self._readout)

    def _connect(self) -> None:
        self._beat.struck.connect(self.redraw)
        self._axis.currentIndexChanged.connect(self._on_axis_changed)
        self._log.toggled.connect(self._on_log_toggled)
        for plot in (self._losses, self._scores):
            plot.hovered.connect(self._on_plot_hovered)

    @property
    def _is_time(self) -> bool:
        return self._axis.currentIndex() == 1

    def _x(self, iterations: Values, seconds: Values) -> Values:
        return seconds / _SECONDS_PER_MINUTE if self._is_time else iterations

    def _show_range(self, x_track: Values) -> None:
        """Show all of x, of the losses as well as of the scores."""
        known = np.concatenate([x_track, self._x_epochs()])
        if len(known):
            self._scores.set_x_range(float(known.min()), float(known.max()))

    def _x_epochs(self) -> Values:
        epochs = self._history.epochs
        iterations = np.array([e.iteration for e in epochs], dtype=float)
        return self._x(iterations, np.array([e.seconds for e in epochs], dtype=float))

    def _loss_lines(self, x_track: Values, losses: Values) -> list[Line]:
        epochs, x = self._history.epochs, self._x_epochs()
        muted, accent = self._theme.text, self._theme.accent
        validation = _values([e.validation_loss for e in epochs])
        lines = [
            Line("", muted, x_track, losses, opacity=_RAW_OPACITY, width=1),
            Line("training", muted, *_few(x_track, smooth(losses))),
        ]
        if np.isfinite(validation).any():
            lines.append(Line("validation", accent, x, validation, has_dots=True))
        return lines

    def _score_lines(self) -> list[Line]:
        x = self._x_epochs()
        return [
            Line(
                name,
                self._color(name, index),
                x,
                _values([e.iou.get(name) for e in self._history.epochs]),
                has_dots=True,
            )
            for index, name in enumerate(self._history.names)
        ]

    def _color(self, name: str, index: int) -> str:
        return self._theme.line(self._colors.get(name) or default_color(index))

    def _request_redraw(self) -> None:
        if self.isVisible():
            self._beat.request()

    def _on_axis_changed(self) -> None:
        self._hovered = None
        self.redraw()

    def _on_log_toggled(self, is_log: bool) -> None:  # noqa: FBT001 - a slot
        self._losses.set_log(is_log=is_log)
        self.redraw()

    def _on_plot_hovered(self, x: float | None) -> None:
        self._hovered = x
        for plot in (self._losses, self._scores):
            plot.show_cursor(x)
        self._show_values()

    def _show_values(self) -> None:
        """Say the values below the pointer, else the newest."""
        track, epochs = self._history.track.points(), self._history.epochs
        lines = []
        if len(track):
            x = self._x(track[:, 0], track[:, 1])
            lines.append(_iteration_words(track[_nearest(x, self._hovered)]))
        if epochs:
            lines.append(
                _epoch_words(epochs[_nearest(self._x_epochs(), self._hovered)])
            )
        self._readout.setText("\n".join(lines))


def _iteration_words(row: Values) -> str:
    iteration, seconds, loss = row
    minutes = seconds / _SECONDS_PER_MINUTE
    return f"iteration {iteration:.0f} · {minutes:.1f} min · loss {loss:.3g}"


def _epoch_words(epoch: EpochPoint) -> str:
    words = [f"epoch {epoch.epoch}"]
    if epoch.validation_loss is not None:
        words.append(f"loss {epoch.validation_loss:.3g}")
    words += [f"{name} {v:.3f}" for name, v in epoch.iou.items() if v is not None]
    return " · ".join(words)


def _values(values: list[float | None]) -> Values:
    return np.array([np.nan if v is None else v for v in values], dtype=float)


def _few(x: Values, y: Values) -> tuple[Values, Values]:
    """Leave out points of a smooth line so that it can be thick; the last one stays."""
    step = -(-len(x) // MAX_THICK) or 1
    kept = slice((len(x) - 1) % step if len(x) else 0, None, step)
    return x[kept], y[kept]


def _nearest(x: Values, wanted: float | None) -> int:
    return -1 if wanted is None else int(np.abs(x - wanted).argmin())
