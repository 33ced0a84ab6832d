"""The Objects dock: objects from classes or probabilities, counted and measured."""

from __future__ import annotations

import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.errors import SegtrainError
from napari_segtrain.ui.docks import DockContent
from napari_segtrain.ui.objects.object_layer import ObjectLayer
from napari_segtrain.ui.objects.object_outputs import ObjectOutputs
from napari_segtrain.ui.objects.object_preview import ObjectPreview
from napari_segtrain.ui.objects.object_work import (
    LayerObjects,
    ObjectRequest,
    Progress,
    iter_objects,
)
from napari_segtrain.ui.objects.objects_form import ObjectsForm
from napari_segtrain.ui.objects.objects_view import ObjectsView
from napari_segtrain.ui.session import session_of
from napari_segtrain.ui.widgets.folding import Folding
from napari_segtrain.ui.widgets.messages import MessageBar
from napari_segtrain.ui.widgets.page_area import PageArea
from napari_segtrain.ui.widgets.theme import follow_theme
from napari_segtrain.ui.worker import start_job, start_task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.layers import Layer

    from napari_segtrain.ui.objects.object_work import PreviewResult
    from napari_segtrain.ui.worker import Failure, Task

_FORMATS = (
    "Tables (*.csv)",
    "Excel (*.xlsx)",
    "Outlines for QuPath (*.geojson)",
    "Outlines for ImageJ (*.zip)",
    "Surfaces (*.ply)",
)


class ObjectsWidget(DockContent):
    """Makes objects of a layer, and shows what they measure.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Held weakly.

    Attributes
    ----------
    found : Signal(LayerObjects)
        Objects are shown.
    ended : Signal()
        A run came to its end, with objects or without.
    ask_path : callable
        Returns the file for the tables, or ``None``.
    """

    found = Signal(object)
    ended = Signal()

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self._task: Task | None = None
        self._saving: Task | None = None
        self._objects: LayerObjects | None = None
        self._origin: weakref.ref[Layer] | None = None
        self._layer: ObjectLayer | None = None
        self.ask_path: Callable[[], Path | None] = self._ask_path
        self.form = ObjectsForm(napari_viewer)
        self.preview_box = QCheckBox("&Preview on the slice that is shown")
        self.preview_note = QLabel()
        self.make_button = QPushButton("Make &objects")
        self.cancel_button = QPushButton("Cance&l")
        self.progress = QProgressBar()
        self.messages = MessageBar()
        self.view = ObjectsView()
        self.save_button = QPushButton("&Save\N{HORIZONTAL ELLIPSIS}")
        self.outputs = ObjectOutputs(self._session, self.form.layer)
        self._outputs_folding = Folding("Outlines, centers, surfaces, &regions")
        self.preview = ObjectPreview(self._session, self)
        self._build_layout()
        self._connect()
        self._show_state()
        viewer = self._session.viewer
        if viewer is not None:
            follow_theme(viewer, self)
        self._on_source_changed()

    @property
    def objects(self) -> LayerObjects | None:
        """Objects that are shown."""
        return self._objects

    @property
    def is_running(self) -> bool:
        """Whether objects are being made."""
        return self._task is not None

    def make(self) -> None:
        """Make objects of the chosen layer."""
        if self.is_running:
            return
        self.messages.clear()
        try:
            layer, request = self._request()
        except SegtrainError as error:
            self.messages.show_text("error", str(error))
            return
        self._origin = weakref.ref(layer)
        task = self._task = start_task(
            partial(iter_objects, request), title=f"Objects of {layer.name}"
        )
        task.reported.connect(self._on_task_event)
        task.succeeded.connect(self._on_task_succeeded)
        task.failed.connect(self.messages.show_failure)
        task.ended.connect(self._on_task_ended)
        self._show_state()

    def cancel(self) -> None:
        """End a run; earlier objects stay."""
        if self._task is not None:
            self._task.stop()

    def save(self) -> None:
        """Write tables, outlines or surfaces; asks for the file."""
        path = None if self._objects is None else self.ask_path()
        if path is None or self._objects is None:
            return
        slab = self.view.density.slab
        write = partial(self._objects.write, path, slab)
        self._saving = start_job(write, title="Save objects")
        self._saving.succeeded.connect(self._on_saving_succeeded)
        self._saving.failed.connect(self.messages.show_failure)

    def apply_theme(self, theme_id: str) -> None:
        """Take the colors of a theme."""
        self.view.apply_theme(theme_id)

    def end(self) -> None:
        """Leave a run, and take the preview away."""
        self.cancel()
        self.preview.set_on(is_on=False)

    def _request(self) -> tuple[Layer, ObjectRequest]:
        source, config = self.form.source(), self.form.config()
        layer = self.form.layer()
        if layer is None:
            raise SegtrainError("Choose a layer that objects are made of.")
        image = self.form.image()
        return layer, ObjectRequest(source, config, image, str(layer.name))

    def _build_layout(self) -> None:
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        self.preview_note.setWordWrap(True)
        self.preview_note.hide()
        self._outputs_folding.set_widget(self.outputs)
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(6, 6, 6, 6)
        for widget in (
            *(self.form, self.preview_box, self.preview_note, self.make_button),
            *(self.cancel_button, self.progress, self.messages, self.view),
            *(self.save_button, self._outputs_folding),
        ):
            layout.addWidget(widget)
        layout.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(PageArea(inner))

    def _connect(self) -> None:
        self.make_button.clicked.connect(self.make)
        self.cancel_button.clicked.connect(self.cancel)
        self.save_button.clicked.connect(self.save)
        self.preview_box.toggled.connect(self._on_preview_toggled)
        self.form.source_changed.connect(self._on_source_changed)
        self.form.config_changed.connect(self._on_config_changed)
        self.preview.shown.connect(self._on_preview_shown)
        self.preview.failed.connect(self._on_preview_failed)
        self.preview.edited.connect(self._on_source_changed)
        self.view.object_chosen.connect(self._on_object_chosen)
        self.outputs.failed.connect(self.messages.show_failure)
        self.outputs.refused.connect(self._on_outputs_refused)

    def _show_state(self) -> None:
        is_running, has_objects = self.is_running, self._objects is not None
        self.make_button.setVisible(not is_running)
        self.cancel_button.setVisible(is_running)
        self.progress.setVisible(is_running)
        self.form.set_running(is_running=is_running)
        self.view.setVisible(has_objects)
        self.save_button.setVisible(has_objects)

    def _say(self, text: str) -> None:
        """Say something about the preview."""
        self.preview_note.setText(text)
        self.preview_note.setVisible(bool(text))

    def _on_preview_toggled(self, is_on: bool) -> None:  # noqa: FBT001 - a slot
        self._say("")
        if is_on:
            self._on_source_changed()
            self._on_config_changed()
        self.preview.set_on(is_on=is_on)

    def _on_source_changed(self) -> None:
        if not self.preview_box.isChecked():
            return
        try:
            self.preview.set_source(self.form.layer(), self.form.source())
        except SegtrainError as error:
            self.preview.set_source(None, None)
            self._say(str(error))

    def _on_config_changed(self) -> None:
        if not self.preview_box.isChecked():
            return
        problem = self.form.settings.problem()
        self.preview.set_config(None if problem else self.form.config())
        if problem:
            self._say(problem)

    def _on_preview_shown(self, result: PreviewResult) -> None:
        self._say(_note(result))

    def _on_preview_failed(self, failure: Failure) -> None:
        self._say(failure.text)

    def _on_task_event(self, event: object) -> None:
        if isinstance(event, Progress):
            is_single = event.n_items <= 1
            self.progress.setRange(0, 0 if is_single else event.n_items)
            self.progress.setValue(event.n_done)

    def _on_task_succeeded(self, found: LayerObjects | None) -> None:
        viewer = self._session.viewer
        origin = None if self._origin is None else self._origin()
        if found is None or viewer is None:
            return
        if origin is None or origin not in viewer.layers:
            self.messages.show_text(
                "warning",
                f"'{found.name}' was removed while its objects were made, so they are "
                "not shown; choose another layer.",
            )
            return
        self._objects = found
        self.view.show_objects(found)
        self.preview_box.setChecked(False)
        if self._layer is not None:
            self._layer.selected.disconnect(self._on_layer_selected)
        self._layer = ObjectLayer(viewer, origin, found, self)
        self._layer.selected.connect(self._on_layer_selected)
        self.outputs.set_objects(found, self._layer.layer)
        self.found.emit(found)

    def _on_task_ended(self) -> None:
        self._task = None
        self._show_state()
        self.ended.emit()

    def _on_object_chosen(self, row: Mapping[str, Any]) -> None:
        if self._layer is not None:
            self._layer.show_object(row)

    def _on_layer_selected(self, label: int, place: Mapping[str, int]) -> None:
        self.view.table.choose(label, place)

    def _on_outputs_refused(self, text: str) -> None:
        self.messages.show_text("error", text)

    def _on_saving_succeeded(self, files: list[Path]) -> None:
        names = ", ".join(path.name for path in files)
        self.messages.show_text("info", f"Saved {names} in {files[0].parent}.")

    def _ask_path(self) -> Path | None:
        name = "objects" if self._objects is None else f"{self._objects.name} objects"
        text, _ = QFileDialog.getSaveFileName(
            self, "Save objects", f"{name}.csv", ";;".join(_FORMATS)
        )
        return Path(text) if text else None


def _note(result: PreviewResult) -> str:
    """What a preview shows, and what it does not."""
    request = result.request
    if result.ids is None:
        return "These are ids of objects already; sizes and the border decide."
    text = f"{result.n_objects:,} objects in what is seen"
    if request.part.step > 1:
        text += ", at a lower resolution"
    if request.config.mode != "slices" and request.source.shape[0] > 1:
        text += "; what belongs together above and below is not looked at"
    return f"{text}."
