"""Objects of the slice on show, made anew when a setting or the view changes."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_segtrain.objects.preview_part import MAX_PIXELS, plan_preview
from napari_segtrain.ui.latest_job import LatestJob
from napari_segtrain.ui.layers.look import look_at
from napari_segtrain.ui.objects.object_work import (
    PreviewRequest,
    PreviewResult,
    make_preview,
)
from napari_segtrain.ui.objects.preview_layer import remove_preview, show_preview

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_segtrain.config import SeparationConfig
    from napari_segtrain.ui.objects.separation_source import SeparationSource
    from napari_segtrain.ui.session import Session
    from napari_segtrain.ui.worker import Failure

_EDITS = ("data", "labels_update", "paint")
_DELAY_OF_VIEW = 150
"""Milliseconds in which the view must rest."""


class ObjectPreview(QObject):
    """Keeps the preview up to date while it is on.

    Parameters
    ----------
    session : Session
        Of the viewer.
    parent : QObject
        Owner.

    Attributes
    ----------
    shown : Signal(object)
        A `PreviewResult` is in the viewer, or there is nothing to preview.
    failed : Signal(Failure)
        Why there is none.
    edited : Signal()
        The layer was painted on, or has other voxels; its source is to be taken anew.
    """

    shown = Signal(object)
    failed = Signal(object)
    edited = Signal()

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._is_on = False
        self._layer: weakref.ref[Layer] | None = None
        self._source: SeparationSource | None = None
        self._config: SeparationConfig | None = None
        self._job = LatestJob("Preview objects", self)
        self._job.succeeded.connect(self._on_job_succeeded)
        self._job.failed.connect(self._on_job_failed)
        self._connect()

    @property
    def is_busy(self) -> bool:
        """Whether a preview is still to come."""
        return self._job.is_busy

    def set_on(self, *, is_on: bool) -> None:
        """Show previews, or take them away."""
        self._is_on = is_on
        if is_on:
            self._ask()
        else:
            self.clear()

    def set_source(self, layer: Layer | None, source: SeparationSource | None) -> None:
        """Preview what is made of another layer."""
        before = None if self._layer is None else self._layer()
        if before is not layer:
            self._listen(before, layer)
        self._layer = None if layer is None else weakref.ref(layer)
        self._source = source
        if source is None:
            self.clear()
        else:
            self._ask()

    def set_config(self, config: SeparationConfig | None) -> None:
        """Preview other settings; nothing new is shown while they are wrong."""
        self._config = config
        self._ask()

    def clear(self) -> None:
        """Take the preview away."""
        self._job.forget()
        viewer = self._session.viewer
        if viewer is not None:
            remove_preview(viewer)

    def _connect(self) -> None:
        viewer = self._session.viewer
        if viewer is not None:
            for name in ("point", "order", "ndisplay"):
                viewer.dims.events[name].connect(self._on_view_changed)
            for name in ("center", "zoom"):
                viewer.scene.camera.events[name].connect(self._on_view_changed)

    def _ask(self, delay: int = 0) -> None:
        viewer = self._session.viewer
        layer = None if self._layer is None else self._layer()
        source, config = self._source, self._config
        is_ready = viewer is not None and layer is not None and layer in viewer.layers
        if not (self._is_on and is_ready and source is not None and config is not None):
            return
        look = look_at(viewer, layer, source.axes, 0)
        if look.window is None:
            return
        _, n_y, n_x = source.shape
        index = dict(look.index)
        z = index.pop("Z", 0)
        is_slow = config.method.kind == "membranes"  # floods all pixels
        most = MAX_PIXELS // 2 if is_slow else MAX_PIXELS
        part = plan_preview((n_y, n_x), look.window, max_pixels=most)
        request = PreviewRequest(source, config, index, z, part)
        self._job.ask(partial(make_preview, request), delay=delay)

    def _on_view_changed(self, _event: Any = None) -> None:
        if isalive(self) and self._is_on:
            self._ask(_DELAY_OF_VIEW)

    def _on_job_succeeded(self, result: PreviewResult) -> None:
        viewer = self._session.viewer
        layer = None if self._layer is None else self._layer()
        if viewer is None or not self._is_on or result.request.source != self._source:
            return
        if result.ids is None or layer is None:
            remove_preview(viewer)
        else:
            show_preview(viewer, layer, result)
        self.shown.emit(result)

    def _listen(self, before: Layer | None, layer: Layer | None) -> None:
        """Hear of edits of a layer, and no more of those of the one before."""
        for name in _EDITS:
            if before is not None and name in before.events.emitters:
                before.events[name].disconnect(self._on_layer_edited)
            if layer is not None and name in layer.events.emitters:
                layer.events[name].connect(self._on_layer_edited)

    def _on_layer_edited(self, _event: Any = None) -> None:
        if isalive(self) and self._is_on:
            self.edited.emit()

    def _on_job_failed(self, failure: Failure) -> None:
        viewer = self._session.viewer
        if viewer is not None:
            remove_preview(viewer)
        self.failed.emit(failure)
