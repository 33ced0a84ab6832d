"""Objects as other layers, and layers and files as objects."""

from __future__ import annotations

import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.errors import DataError, SegtrainError
from napari_segtrain.ui.layers.reading import guess_axes
from napari_segtrain.ui.layers.transforms import result_transform
from napari_segtrain.ui.widgets.layer_choice import LayerChoice
from napari_segtrain.ui.widgets.score_table import ScoreTable
from napari_segtrain.ui.worker import start_job

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer

    from napari_segtrain.ui.objects.object_work import LayerObjects
    from napari_segtrain.ui.session import Session
    from napari_segtrain.ui.worker import Failure, Task

TOLERANCE = 0.8
"""Voxels that outlines on the screen may be off, by which they are smooth."""

_MAX_ROWS, _ROW_HEIGHT = 8, 26
_ROI_SUFFIXES = (".zip", ".roi")
_FORMATS = "Outlines (*.geojson *.json *.zip *.roi)"


class ObjectOutputs(QWidget):
    """Makes outlines, centers and surfaces of objects, and objects of outlines.

    Parameters
    ----------
    session : Session
        Of the viewer.
    ask_layer : callable
        Returns the layer in whose voxels outlines that are read or drawn lie.

    Attributes
    ----------
    made : Signal(object)
        A layer was added.
    counted : Signal(list)
        Objects in each region are shown.
    failed : Signal(Failure)
        Why there is none.
    refused : Signal(str)
        The same, where it was known at once.
    ask_path : callable
        Returns the file to read, or ``None``.
    """

    made = Signal(object)
    counted = Signal(object)
    failed = Signal(object)
    refused = Signal(str)

    def __init__(
        self,
        session: Session,
        ask_layer: Callable[[], Layer | None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._ask_layer = ask_layer
        self._task: Task | None = None
        self._objects: LayerObjects | None = None
        self._layer: weakref.ref[Labels] | None = None
        self.ask_path: Callable[[], Path | None] = self._ask_path
        self.outlines_button = QPushButton("Out&lines")
        self.centers_button = QPushButton("Ce&nters")
        self.surface_button = QPushButton("Sur&face")
        self.read_button = QPushButton("&Read outlines\N{HORIZONTAL ELLIPSIS}")
        self.shapes_choice = LayerChoice(session.viewer, Shapes, none="(none)")
        self.fill_button = QPushButton("Labels from shapes")
        self.count_button = QPushButton("Count objects in shapes")
        self.counts = ScoreTable()
        self._build_layout()
        self._connect()
        self._show_state()

    def set_objects(self, objects: LayerObjects | None, layer: Labels | None) -> None:
        """Take other objects, and the layer that they are in."""
        self._objects = objects
        self._layer = None if layer is None else weakref.ref(layer)
        self.counts.hide()
        self._show_state()

    @property
    def is_running(self) -> bool:
        """Whether something is being made."""
        return self._task is not None

    def add_outlines(self) -> None:
        """Add a Shapes layer with a polygon for each object in a slice."""
        from napari_segtrain.ui.layers.object_layers import object_source, outline_layer

        def prepare(layer: Labels) -> Callable[[], Layer]:
            return partial(outline_layer, object_source(layer), tolerance=TOLERANCE)

        self._start_with_objects(prepare)

    def add_centers(self) -> None:
        """Add a Points layer with each center on its most prevalent slice."""
        from napari_segtrain.ui.layers.object_layers import object_source, point_layer

        def prepare(layer: Labels) -> Callable[[], Layer]:
            return partial(point_layer, object_source(layer))

        self._start_with_objects(prepare)

    def add_surface(self) -> None:
        """Add a Surface layer of all objects of the first item."""
        from napari_segtrain.ui.layers.object_layers import (
            object_mesh,
            object_source,
            surface_layer,
        )

        def prepare(layer: Labels) -> Callable[[], Layer]:
            source = object_source(layer)

            def make() -> Layer:
                return surface_layer(source, object_mesh(source))

            return make

        self._start_with_objects(prepare)

    def read_outlines(self) -> None:
        """Make labels of a GeoJSON or ROI file; asks for it."""
        layer = self._ask_layer()
        path = self.ask_path()
        if path is None:
            return
        try:
            self._start(partial(_labels_of_file, path, *_frame(layer)))
        except SegtrainError as error:
            self.refused.emit(str(error))

    def fill_shapes(self) -> None:
        """Make labels of the shapes that are chosen."""
        from napari_segtrain.ui.layers.drawn_objects import drawn_objects

        shapes, layer = self.shapes_choice.layer(), self._ask_layer()
        try:
            if shapes is None or not isinstance(layer, Labels | Image):
                raise DataError(_NO_LAYER)
            drawn = drawn_objects(shapes, layer, guess_axes(layer))
        except SegtrainError as error:
            self.refused.emit(str(error))
            return

        name = f"objects of {shapes.name}"
        given = {k: v for k, v in drawn.transform.items() if v is not None}

        def make() -> Layer:
            return Labels(drawn.fill(), name=name, **given)

        self._start(make)

    def count(self) -> None:
        """Count objects in each of the shapes that are chosen."""
        from napari_segtrain.objects.counting import counts_by_outline
        from napari_segtrain.ui.layers.drawn_objects import drawn_regions
        from napari_segtrain.ui.layers.regions import is_through_all

        shapes, layer = self.shapes_choice.layer(), self._present()
        objects = self._objects
        if shapes is None or layer is None or objects is None or self.is_running:
            return
        try:
            found = [
                drawn_regions(shapes, layer, objects.axes, index=item.index)
                for item in objects.items
            ]
        except SegtrainError as error:
            self.refused.emit(str(error))
            return
        through_all = is_through_all(shapes)

        def count() -> list[dict[str, Any]]:
            return [
                {**item.place, "shape": _name(each.region), "n_objects": each.n_objects}
                for item, regions in zip(objects.items, found, strict=True)
                if regions
                for each in counts_by_outline(
                    item.table.centers / np.array(item.spacing),
                    regions,
                    through_all=through_all,
                )
            ]

        task = self._task = start_job(count, title="Count objects in shapes")
        task.succeeded.connect(self._on_count_succeeded)
        task.failed.connect(self._on_task_failed)
        task.ended.connect(self._on_task_ended)
        self._show_state()

    def _start_with_objects(
        self, prepare: Callable[[Labels], Callable[[], Layer]]
    ) -> None:
        layer = self._present()
        if layer is None:
            return
        try:
            self._start(prepare(layer))
        except SegtrainError as error:
            self.refused.emit(str(error))

    def _start(self, make: Callable[[], Layer]) -> None:
        if self.is_running:
            return
        task = self._task = start_job(make, title="Make a layer of objects")
        task.succeeded.connect(self._on_task_succeeded)
        task.failed.connect(self._on_task_failed)
        task.ended.connect(self._on_task_ended)
        self._show_state()

    def _present(self) -> Labels | None:
        """Layer of the objects, as long as the viewer has it."""
        viewer = self._session.viewer
        layer = None if self._layer is None else self._layer()
        return layer if viewer is not None and layer in viewer.layers else None

    def _build_layout(self) -> None:
        self.outlines_button.setToolTip("A Shapes layer with a polygon per object")
        self.centers_button.setToolTip(
            "A Points layer: each center on the slice with most of the object"
        )
        self.surface_button.setToolTip("A smoothed Surface layer, in µm")
        self.read_button.setToolTip("GeoJSON of QuPath, or ROIs of ImageJ, as labels")
        self.counts.setAccessibleName("Objects in each shape")
        self.counts.hide()
        makers = QHBoxLayout()
        for button in (self.outlines_button, self.centers_button, self.surface_button):
            makers.addWidget(button)
        rows = QFormLayout()
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("S&hapes", self.shapes_choice)
        users = QHBoxLayout()
        users.addWidget(self.fill_button)
        users.addWidget(self.count_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(makers)
        layout.addWidget(self.read_button)
        layout.addLayout(rows)
        layout.addLayout(users)
        layout.addWidget(self.counts)

    def _connect(self) -> None:
        self.outlines_button.clicked.connect(self.add_outlines)
        self.centers_button.clicked.connect(self.add_centers)
        self.surface_button.clicked.connect(self.add_surface)
        self.read_button.clicked.connect(self.read_outlines)
        self.fill_button.clicked.connect(self.fill_shapes)
        self.count_button.clicked.connect(self.count)
        self.shapes_choice.layer_changed.connect(self._show_state)

    def _show_state(self, _layer: Any = None) -> None:
        is_idle = not self.is_running
        has_objects = self._objects is not None and is_idle
        has_shapes = self.shapes_choice.layer() is not None and is_idle
        is_flat = self._objects is not None and self._objects.items[0].table.is_flat
        self.outlines_button.setEnabled(has_objects)
        self.centers_button.setEnabled(has_objects)
        self.surface_button.setEnabled(has_objects and not is_flat)
        self.read_button.setEnabled(is_idle)
        self.fill_button.setEnabled(has_shapes)
        self.count_button.setEnabled(has_shapes and has_objects)

    def _on_task_succeeded(self, layer: Layer) -> None:
        viewer = self._session.viewer
        if viewer is not None:
            viewer.add_layer(layer)
            self.made.emit(layer)

    def _on_task_failed(self, failure: Failure) -> None:
        self.failed.emit(failure)

    def _on_task_ended(self) -> None:
        self._task = None
        self._show_state()

    def _on_count_succeeded(self, rows: list[dict[str, Any]]) -> None:
        self.counts.set_rows(rows)
        shown = min(len(rows), 8) * 26
        self.counts.setFixedHeight(
            self.counts.horizontalHeader().sizeHint().height() + shown
        )
        self.counts.show()
        self.counted.emit(rows)

    def _ask_path(self) -> Path | None:
        text, _ = QFileDialog.getOpenFileName(self, "Read outlines", "", _FORMATS)
        return Path(text) if text else None


_NO_LAYER = (
    "There is no layer that the outlines lie on; open the image, and choose it above."
)


def _name(region: int) -> str:
    return "outside" if region == 0 else f"shape {region}"


def _frame(layer: Layer | None) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Shape of labels on a layer, and where they lie."""
    if not isinstance(layer, Labels | Image):
        raise DataError(_NO_LAYER)
    axes = guess_axes(layer)
    data = layer.data[0] if layer.multiscale else layer.data
    sizes = dict(zip(axes, map(int, data.shape), strict=True))
    keep = "".join(axis for axis in axes if axis in "ZYX")
    place = result_transform(layer, axes, keep=keep)
    given = {key: value for key, value in place.items() if value is not None}
    return tuple(sizes[axis] for axis in keep), given


def _labels_of_file(
    path: Path, shape: tuple[int, ...], place: dict[str, Any]
) -> Labels:
    """Labels of a file of outlines."""
    from napari_segtrain.objects.geojson import read_geojson
    from napari_segtrain.objects.imagej_rois import read_rois
    from napari_segtrain.objects.outlines import fill_outlines

    is_rois = path.suffix.lower() in _ROI_SUFFIXES
    outlines = read_rois(path) if is_rois else read_geojson(path)
    z, y, x = (1,) * (3 - len(shape)) + shape
    ids = fill_outlines(outlines, (z, y, x)).reshape(shape)
    if not ids.any():
        raise DataError(
            f"No outline of {path.name} lies on the chosen layer of {shape} voxels; "
            "choose the image that they were drawn on."
        )
    return Labels(ids, name=path.stem, **place)
