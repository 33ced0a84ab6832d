"""The Compare dock: a segmentation against ground truth."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.errors import SegtrainError
from napari_segtrain.ui.compare.compared_set import ComparedSet, layers_of
from napari_segtrain.ui.compare.comparison import Progress
from napari_segtrain.ui.compare.comparison_form import ComparisonForm
from napari_segtrain.ui.compare.comparison_requests import Asked, make_requests
from napari_segtrain.ui.compare.comparison_series import iter_comparisons
from napari_segtrain.ui.compare.comparison_view import ComparisonView
from napari_segtrain.ui.compare.error_layer import find_error_map
from napari_segtrain.ui.compare.held_out_button import HeldOutButton
from napari_segtrain.ui.compare.label_watch import LabelWatch
from napari_segtrain.ui.compare.report_saver import FORMATS, ReportSaver
from napari_segtrain.ui.compare.segmentation_table import SegmentationTable
from napari_segtrain.ui.compare.swipe_box import SwipeBox
from napari_segtrain.ui.docks import DockContent
from napari_segtrain.ui.session import session_of
from napari_segtrain.ui.widgets.messages import MessageBar
from napari_segtrain.ui.widgets.page_area import PageArea
from napari_segtrain.ui.widgets.theme import follow_theme
from napari_segtrain.ui.worker import start_task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari.layers import Labels

    from napari_segtrain.ui.compare.compared_pair import ComparedPair
    from napari_segtrain.ui.compare.comparison import Comparison
    from napari_segtrain.ui.compare.comparison_series import ComparedSeries
    from napari_segtrain.ui.compare.slice_series import Place
    from napari_segtrain.ui.worker import Failure, Task

_STEPS = 1000


class ComparisonWidget(DockContent):
    """Compares two Labels layers and shows where they differ.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Held weakly.

    Attributes
    ----------
    compared : Signal(Comparison)
        Results are shown.
    ended : Signal()
        A comparison came to its end, with results or without.
    ask_path : callable
        Returns the file for a table, or ``None``.
    """

    compared = Signal(object)
    ended = Signal()

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self._task: Task | None = None
        self._results: ComparedSet | None = None
        self._next: tuple[ComparedPair, ...] = ()
        self._has_ended_well = False
        self._edit = ""
        self._looked_at: Labels | None = None
        self._watch = LabelWatch(self._session, self)
        self._saver = ReportSaver(self)
        self.ask_path: Callable[[], Path | None] = self._ask_path
        self.form = ComparisonForm(napari_viewer)
        self.held_out_button = HeldOutButton(self._session)
        self.errors_box = QCheckBox("Show the &error map")
        self.compare_button = QPushButton("&Compare")
        self.cancel_button = QPushButton("Cance&l")
        self.progress = QProgressBar()
        self.messages = MessageBar()
        self.stale_bar = MessageBar()
        self.again_button = QPushButton("Compare a&gain")
        self.segmentations = SegmentationTable()
        self.swipe_box = SwipeBox(self._session)
        self.view = ComparisonView()
        self.save_button = QPushButton("Sa&ve report\N{HORIZONTAL ELLIPSIS}")
        self._build_layout()
        self._connect()
        self._show_state()
        viewer = self._session.viewer
        if viewer is not None:
            follow_theme(viewer, self)

    @property
    def comparison(self) -> Comparison | None:
        """Results that are shown."""
        return None if self._results is None else self._results.comparison

    @property
    def results(self) -> ComparedSet | None:
        """Results of all segmentations that were compared."""
        return self._results

    @property
    def is_running(self) -> bool:
        """Whether a comparison runs."""
        return self._task is not None

    @property
    def is_stale(self) -> bool:
        """Whether a layer changed since the results were computed."""
        return not self.stale_bar.isHidden()

    def compare(self) -> None:
        """Compare the chosen layers."""
        if self.is_running:
            return
        self.messages.clear()
        try:
            truth, prediction = self.form.pair()
            self._start(truth, [prediction, *self.form.further.layers()])
        except SegtrainError as error:
            self.messages.show_text("error", str(error))
        self._show_state()

    def cancel(self) -> None:
        """End a running comparison; earlier results stay."""
        if self._task is not None:
            self._task.stop()

    def save(self) -> None:
        """Write the scores as a report or tables; asks for the file."""
        results = self._results
        path = None if results is None else self.ask_path()
        if path is not None and results is not None:
            viewer = self._session.viewer
            self._saver.save(path, results, viewer, is_stale=self.is_stale)

    def apply_theme(self, theme_id: str) -> None:
        """Take the colors of a theme."""
        self.view.apply_theme(theme_id)

    def end(self) -> None:
        """Leave a comparison that runs."""
        self.cancel()
        self.held_out_button.stop()
        self.swipe_box.end()
        self._watch.stop()

    def _build_layout(self) -> None:
        self.errors_box.setChecked(True)
        self.progress.setRange(0, _STEPS)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.form)
        layout.addWidget(self.held_out_button)
        layout.addWidget(self.errors_box)
        for widget in (self.compare_button, self.cancel_button, self.progress):
            layout.addWidget(widget)
        layout.addWidget(self.messages)
        stale = QHBoxLayout()
        stale.addWidget(self.stale_bar, stretch=1)
        stale.addWidget(self.again_button)
        layout.addLayout(stale)
        layout.addWidget(self.segmentations)
        for widget in (self.swipe_box, self.view, self.save_button):
            layout.addWidget(widget)
        layout.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(PageArea(inner))

    def _connect(self) -> None:
        self.compare_button.clicked.connect(self.compare)
        self.again_button.clicked.connect(self._on_again_clicked)
        self.cancel_button.clicked.connect(self.cancel)
        self.save_button.clicked.connect(self.save)
        self.errors_box.toggled.connect(self._on_errors_toggled)
        self.held_out_button.started.connect(self._on_held_out_started)
        self.held_out_button.made.connect(self._on_held_out_made)
        self.held_out_button.failed.connect(self.messages.show_failure)
        self.form.layers_changed.connect(self._on_form_layers_changed)
        self.segmentations.chosen.connect(self._on_segmentation_chosen)
        self.swipe_box.changed.connect(self._show_errors)
        self.view.slice_asked.connect(self._on_view_slice_asked)
        self.view.object_asked.connect(self._on_view_object_asked)
        self._saver.saved.connect(self._on_saver_saved)
        self._saver.failed.connect(self.messages.show_failure)
        self._watch.edited.connect(self._on_watch_edited)
        self.form.region_choice.edited.connect(self._on_region_edited)
        self._watch.moved.connect(self._on_watch_moved)
        viewer = self._session.viewer
        if viewer is not None:
            for name in ("point", "order", "ndisplay"):
                viewer.dims.events[name].connect(self._on_dims_changed)

    def _start(self, truth: Labels, predictions: Sequence[Labels]) -> None:
        choice = self.form.region_choice
        asked = Asked(
            self.form.target, self.form.measured(), choice.prepare, choice.name
        )
        before = {} if self._results is None else self._results.kept()
        requests, self._next = make_requests(truth, predictions, asked, before)
        self._edit, self._has_ended_well = "", False
        self._watch.watch((truth, *predictions))
        names = ", ".join(str(prediction.name) for prediction in predictions)
        task = self._task = start_task(
            partial(iter_comparisons, requests), title=f"Compare {names}"
        )
        task.reported.connect(self._on_task_event)
        task.succeeded.connect(self._on_task_succeeded)
        task.failed.connect(self._on_task_failed)
        task.ended.connect(self._on_task_ended)

    def _show_state(self) -> None:
        is_running = self.is_running
        self.compare_button.setVisible(not is_running)
        self.cancel_button.setVisible(is_running)
        self.progress.setVisible(is_running)
        self.form.set_running(is_running=is_running)
        self.held_out_button.set_free(is_free=not is_running)
        results = self._results
        has_results = results is not None
        self.view.setVisible(has_results)
        self.save_button.setVisible(has_results)
        can_repeat = self.is_stale and results is not None and bool(results.pairs())
        self.again_button.setVisible(can_repeat and not is_running)

    def _mark_stale(self, text: str) -> None:
        """Say that the results are out of date; those to come when they are there."""
        if self.is_running:
            self._edit = text
            return
        self.stale_bar.show_text("warning", text)
        self._show_state()

    def _show_errors(self) -> None:
        """Show the error map, unless it is not wanted or would cover a swipe."""
        if self.swipe_box.swipe is not None:
            return
        if not self.errors_box.isChecked():
            self._hide_errors()
            return
        viewer, results = self._session.viewer, self._results
        if viewer is not None and results is not None and results.pair is not None:
            results.pair.show_errors(viewer, results.comparison)

    def _hide_errors(self) -> None:
        viewer = self._session.viewer
        layer = None if viewer is None else find_error_map(viewer)
        if layer is not None:
            layer.visible = False

    @property
    def _pair(self) -> ComparedPair | None:
        """Layers of the results that are looked at, while both are there."""
        return None if self._results is None else self._results.pair

    def _show_results(self, results: ComparedSet) -> None:
        """Show those results that are looked at."""
        self.view.show_comparison(results.comparison, results.names)
        self._show_errors()
        self._show_present()
        hint = results.comparison.hint
        if hint:
            self.messages.show_text("warning", hint)

    def _show_present(self) -> None:
        """Mark the slice that the viewer shows."""
        viewer, pair = self._session.viewer, self._pair
        present: dict[str, float | None] = {}
        if viewer is not None and pair is not None:
            present = pair.shown_slices(viewer, self.view.axes())
        self.view.set_present(present)

    def _on_task_event(self, event: object) -> None:
        if isinstance(event, Progress):
            is_known = event.share is not None
            self.progress.setRange(0, _STEPS if is_known else 0)
            self.progress.setValue(round(_STEPS * (event.share or 0)))

    def _on_task_succeeded(self, series: ComparedSeries | None) -> None:
        if series is None or not self._next:
            return
        results = self._results = ComparedSet(self._next, series)
        results.look_at(self._looked_at)
        self._has_ended_well = True
        self.segmentations.show_series(series, results.shown)
        self.swipe_box.set_pairs(results.pairs())
        self._show_results(results)
        self.stale_bar.clear()
        if not self._edit:
            self._watch.expect(results.watched()[1])
        self.compared.emit(results.comparison)

    def _on_task_failed(self, failure: Failure) -> None:
        self.messages.show_failure(failure)

    def _on_task_ended(self) -> None:
        self._task = self._looked_at = None
        if not self._has_ended_well:
            self._return_to_results()
        elif self._edit:
            self._mark_stale(self._edit)
        self._next = ()
        self._show_state()
        self.ended.emit()

    def _return_to_results(self) -> None:
        """Watch the layers of the results that stay after a comparison without any."""
        self._watch.stop()
        results = self._results
        if results is None or self.is_stale or not results.pairs():
            return
        layers, sums = results.watched()
        self._watch.watch(layers)
        self._watch.expect(sums, check=True)

    def _on_again_clicked(self) -> None:
        """Compare the same layers again, whatever is chosen now."""
        if self._results is not None:
            truth, *predictions = layers_of(self._results.pairs())
            self.form.choose(truth, predictions[0])
            self.form.further.choose(predictions[1:])
        results = self._results
        if results is not None and results.pair is not None:
            self._looked_at = results.pair.layers()[1]
        was_inside = "" if results is None else results.comparison.region_name
        self.compare()
        if was_inside and was_inside != self.form.region_choice.name:
            self.messages.show_text(
                "warning",
                f"The scores before were inside of '{was_inside}', which is not chosen "
                "any more.",
            )

    def _on_segmentation_chosen(self, number: int) -> None:
        results = self._results
        if results is not None and number != results.shown:
            results.shown = number
            self._show_results(results)

    def _on_errors_toggled(self, is_shown: bool) -> None:  # noqa: FBT001 - a slot
        if is_shown:
            self._show_errors()
        else:
            self._hide_errors()

    def _on_form_layers_changed(self) -> None:
        self._check_removed()
        self._show_state()

    def _check_removed(self) -> None:
        """Say that a layer that is compared, or was, is gone."""
        present = self.form.layers()
        missing = (pair.first_missing(present) for pair in self._next)
        name = next((name for name in missing if name is not None), None)
        if name is not None and self.is_running:
            self._next = ()
            self.cancel()
            self.messages.show_text(
                "error",
                f"'{name}' was removed while it was compared; choose other layers and "
                "compare again.",
            )
        results = self._results
        name = None if results is None else results.forget_missing(present)
        if results is not None and name is not None:
            self.swipe_box.set_pairs(results.pairs())
            text = f"'{name}' was removed; these are the scores that it had."
            self.stale_bar.show_text("info", text)

    def _on_view_slice_asked(self, place: Place) -> None:
        viewer, pair = self._session.viewer, self._pair
        if viewer is not None and pair is not None:
            pair.go_to(viewer, place)

    def _on_view_object_asked(self, row: Mapping[str, Any]) -> None:
        viewer, pair = self._session.viewer, self._pair
        if viewer is not None and pair is not None:
            pair.show_object(viewer, row)

    def _on_dims_changed(self, _event: Any = None) -> None:
        if isalive(self) and self._results is not None:
            self._show_present()

    def _on_watch_edited(self, layer: Labels) -> None:
        self._mark_stale(f"'{layer.name}' was edited; the scores are out of date.")

    def _on_region_edited(self, layer: Any) -> None:
        if self._results is not None or self.is_running:
            self._mark_stale(f"'{layer.name}' was edited; the scores are out of date.")

    def _on_watch_moved(self, layer: Labels) -> None:
        self._mark_stale(f"'{layer.name}' was moved; the scores are out of date.")

    def _on_held_out_started(self) -> None:
        self.messages.show_text("info", "What the run held out is being predicted.")

    def _on_held_out_made(self, truth: Labels, prediction: Labels) -> None:
        self.messages.clear()
        self.form.choose(truth, prediction)
        self.form.further.choose([])
        self.form.region_choice.choice.set_layer(None)
        self.compare()

    def _on_saver_saved(self, text: str) -> None:
        self.messages.show_text("info", text)

    def _ask_path(self) -> Path | None:
        results = self._results
        name = "scores" if results is None else f"{results.names[1]} scores"
        text, _ = QFileDialog.getSaveFileName(
            self, "Save scores", f"{name}.html", ";;".join(FORMATS)
        )
        return Path(text) if text else None
