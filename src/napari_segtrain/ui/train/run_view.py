"""A widget that follows a training, one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from napari_segtrain.control import Event
    from napari_segtrain.ui.training_run import TrainingRun


class RunView(QWidget):
    """Shows a `TrainingRun`, or none, and hears of its events and states.

    Parameters
    ----------
    parent : QWidget, optional
        Owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run: TrainingRun | None = None

    @property
    def run(self) -> TrainingRun | None:
        """The run that is shown."""
        return self._run

    def show_run(self, run: TrainingRun | None) -> None:
        """Follow this run from now on, and no other."""
        if run is self._run:
            return
        if self._run is not None:
            self._run.changed.disconnect(self._on_run_changed)
            self._run.reported.disconnect(self._on_run_event)
        self._run = run
        if run is not None:
            run.changed.connect(self._on_run_changed)
            run.reported.connect(self._on_run_event)
        self._begin()

    def _begin(self) -> None:
        """Show all there is of another run."""
        raise NotImplementedError

    def _on_run_changed(self, _state: str) -> None:
        """Show another state."""

    def _on_run_event(self, _event: Event) -> None:
        """Show what happened."""
