"""The Predict dock: a model, images, and how much of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QFrame,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.axes import size_text
from napari_segtrain.config import InferenceConfig
from napari_segtrain.errors import SegtrainError
from napari_segtrain.inference.fit import is_too_large
from napari_segtrain.ui.docks import DockContent
from napari_segtrain.ui.layers.look import Look, look_at
from napari_segtrain.ui.layers.reading import image_from_layers, result_axes, voxel_size
from napari_segtrain.ui.layers.results import Origin
from napari_segtrain.ui.predict.block_preview import BlockPreview
from napari_segtrain.ui.predict.edit_bar import EditBar
from napari_segtrain.ui.predict.image_sources import ImageSources
from napari_segtrain.ui.predict.likeness_note import LikenessNote
from napari_segtrain.ui.predict.model_choice import ModelChoice
from napari_segtrain.ui.predict.prediction_controls import PredictionControls
from napari_segtrain.ui.predict.prediction_events import Order
from napari_segtrain.ui.predict.prediction_fit import (
    best_level,
    check_choice,
    check_rescaling,
    check_settings,
    own_settings,
)
from napari_segtrain.ui.predict.prediction_run import (
    PredictionRun,
    Request,
    prediction_of,
    start_prediction,
)
from napari_segtrain.ui.predict.prediction_work import load_models
from napari_segtrain.ui.predict.result_box import ResultBox
from napari_segtrain.ui.predict.scope_box import ScopeBox
from napari_segtrain.ui.preferences import read_preferences
from napari_segtrain.ui.session import session_of
from napari_segtrain.ui.widgets.forms import ConfigForm
from napari_segtrain.ui.widgets.messages import MessageBar

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from qtpy.QtGui import QDragEnterEvent, QDropEvent

    from napari_segtrain.image import Image
    from napari_segtrain.ui.predict.channel_rows import Source
    from napari_segtrain.ui.worker import Failure


class PredictionWidget(DockContent):
    """Chooses a model, images and how much of them, and shows the prediction's state.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Held weakly.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self.model = ModelChoice(napari_viewer)
        self.sources = ImageSources(napari_viewer)
        self.images = self.sources.table
        self.scope = ScopeBox(napari_viewer)
        self.maps_box = QCheckBox("Probability &map")
        self.form = ConfigForm(
            InferenceConfig, hidden=("probabilities", "weights", "rescale")
        )
        self.result = ResultBox()
        self.blocks = BlockPreview(self)
        self.edit_bar = EditBar(napari_viewer)
        self.controls = PredictionControls()
        self.messages = MessageBar()
        self.note = LikenessNote()
        self._run: PredictionRun | None = None
        self._levelled: tuple[Any, ...] = ()
        self._build_layout()
        self._connect()
        self._show_run(prediction_of(self._session))
        self._show_objects()
        self._look()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files and folders."""
        if _dropped(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Choose the model that was dropped."""
        path = _dropped(event)
        if path is not None:
            event.acceptProposedAction()
            self._session.choose_model(path)

    @property
    def run(self) -> PredictionRun | None:
        """The prediction that is shown."""
        return self._run

    def start(self) -> None:
        """Predict what is chosen; what is wrong is said in a sentence."""
        if self._run is not None and self._run.is_running:
            return
        self.messages.clear()
        try:
            requests, order = self._requests(), self._order()
        except SegtrainError as error:
            self._show_run(None)
            self.messages.show_text("error", str(error))
            self.note.show_problem("")
            return
        self._show_run(start_prediction(self._session, requests, order))

    def _build_layout(self) -> None:
        self.setAcceptDrops(True)
        self.maps_box.setToolTip("Also add a layer with the probability of each class")
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 4, 0)
        column.setSpacing(6)
        for widget in (
            _title("Model"), self.model,
            _title("Images"), self.sources,
            self.scope, self.maps_box, self.result, self.form,
        ):  # fmt: skip
            column.addWidget(widget)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        layout = QVBoxLayout(self)
        layout.addWidget(area, stretch=1)
        for widget in (self.edit_bar, self.note, self.controls, self.messages):
            layout.addWidget(widget)

    def _connect(self) -> None:
        self.model.changed.connect(self._on_model_changed)
        self.model.refused.connect(self._on_model_refused)
        self.model.failed.connect(self._on_failed)
        self.edit_bar.failed.connect(self._on_failed)
        self.sources.changed.connect(self._look)
        self.scope.changed.connect(self._look)
        self.form.changed.connect(self._look)
        self.maps_box.toggled.connect(self._look)
        self.result.changed.connect(self._look)
        self.result.preview_asked.connect(self._on_preview_asked)
        self.blocks.shown.connect(self._on_blocks_shown)
        self.blocks.failed.connect(self._on_failed)
        self.note.changed.connect(self._look)
        self.controls.start_asked.connect(self.start)
        self.controls.stop_asked.connect(self._on_stop_asked)

    def _on_model_changed(self) -> None:
        self.messages.clear()
        info = self.model.info
        if info is not None:
            self.sources.set_channels(info.n_channels or 1, info.channel_names)
        self._show_objects()
        self._look()

    def _on_model_refused(self, text: str) -> None:
        self.messages.show_text("error", text)

    def _on_failed(self, failure: Failure) -> None:
        self.messages.show_failure(failure)

    def _on_preview_asked(self) -> None:
        self.messages.clear()
        try:
            requests, order = self._requests(), self._order()
        except SegtrainError as error:
            self.messages.show_text("error", str(error))
            return
        self.blocks.start(requests, order, load_models, lambda: self._session.viewer)

    def _on_blocks_shown(self, text: str) -> None:
        self.messages.show_text("info", text)

    def _on_stop_asked(self) -> None:
        if self._run is not None:
            self._run.stop()

    def _on_run_changed(self) -> None:
        run = self._run
        self.controls.show_run(run)
        if run is None or run.is_running:
            return
        run.changed.disconnect(self._on_run_changed)
        if run.failure is not None:
            self.messages.show_failure(run.failure)
            self.model.refresh()
        elif run.n_edited:
            self.messages.show_text(
                "warning",
                "The result was edited while it was made, so the prediction stopped "
                "there; predict again to get a new layer.",
            )

    def _show_run(self, run: PredictionRun | None) -> None:
        self._run = run
        if run is not None and run.is_running:
            run.changed.connect(self._on_run_changed)
        self.controls.show_run(run)

    def _show_objects(self) -> None:
        """Show the settings of objects for a model that makes some, and its own."""
        info = self.model.info
        makes_objects = info is not None and info.objects is not None
        self.form.set_shown("objects", is_shown=makes_objects)
        self.form.set_resolved(own_settings(info))

    def _look(self) -> None:
        """Show what belongs to the choice, and say what does not fit."""
        if self._run is None:
            self.messages.clear()
        sources = self.sources.sources()
        self.scope.set_sizes(*_sizes_of(sources, self.scope.level))
        self._choose_level(sources)
        self._show_note(sources)

    def _choose_level(self, sources: list[Source]) -> None:
        """Choose the level that is most like the training, once for each choice."""
        info, found = self.model.info, [s for s in sources if s[0][0].multiscale]
        if not found:
            return
        (layer, *_), axes = found[0]
        choice = (id(layer), axes, info)
        if choice != self._levelled:
            self._levelled = choice
            levels = range(len(layer.data))
            sizes = [voxel_size(layer, axes, level=level) for level in levels]
            self.scope.set_level(best_level(info, sizes))

    def _show_note(self, sources: list[Source]) -> None:
        try:
            images = [self._image(source) for source in sources]
            self._check(images)
            order = self._order()
            is_large = any(is_too_large(image, order.config) for image in images)
            self.result.suggest(is_large=is_large and self.scope.is_everything)
            problem = ""
        except SegtrainError as error:
            problem, images = str(error), []
        chosen = [
            (*(id(x.data) for x in layers), axes, self._level(layers[0]))
            for layers, axes in sources
        ]
        key = (self.model.path, tuple(chosen)) if images else None
        self.note.show_problem(problem)
        self.note.compare(self.model.info, images, key)

    def _image(self, source: Source) -> Image:
        layers, axes = source
        level = self._level(layers[0])
        return image_from_layers(layers, axes=axes or None, level=level)

    def _level(self, layer: ImageLayer) -> int:
        n_levels = len(layer.data) if layer.multiscale else 1
        return min(self.scope.level, n_levels - 1)

    def _requests(self) -> list[Request]:
        """What is to be predicted now.

        Raises
        ------
        SegtrainError
            When something is missing or does not fit.
        """
        sources = self.sources.sources()
        images = [self._image(source) for source in sources]
        self._check(images)
        pairs = zip(sources, images, strict=True)
        return [self._request(source, image) for source, image in pairs]

    def _check(self, images: list[Image]) -> None:
        """Compare the images with the model; see `check_choice`."""
        check_choice(self.model.info, images)
        if self.note.rescale_box.isChecked():
            check_rescaling(self.model.info, images)

    def _request(self, source: Source, image: Image) -> Request:
        layers, _ = source
        first, viewer = layers[0], self._session.viewer
        axes = image.axes if len(layers) == 1 else image.axes.removeprefix("C")
        level = self._level(first)
        look = Look() if viewer is None else look_at(viewer, first, axes, level)
        n_slices = image.items()[0].shape[0]
        return Request(
            origin=Origin(first, axes, level, *self._models()),
            image=image,
            axes=result_axes(first, axes),
            scope=self.scope.scope(first, axes, look, n_slices),
        )

    def _models(self) -> tuple[Path, tuple[Path, ...]]:
        """The chosen model, and those that it is averaged with."""
        first, *others = self.model.paths or (Path(),)
        return first, tuple(others)

    def _config(self) -> InferenceConfig:
        """What the form says.

        Raises
        ------
        ConfigError
            When a setting is wrong, or the chosen model has no use for it.
        """
        config = self.form.config()
        check_settings(self.model.info, config, n_models=len(self.model.paths))
        return config

    def _order(self) -> Order:
        """Model and settings; what is auto is that of the preferences.

        Raises
        ------
        ConfigError
            When a setting is wrong.
        """
        preferences, config = read_preferences(), self._config()
        kind = "uint8" if self.maps_box.isChecked() else "none"
        rescale = self.note.rescale_box.isChecked()
        changes: dict[str, Any] = {"probabilities": kind, "rescale": rescale}
        if config.device == "auto":
            changes["device"] = preferences.device
        if config.memory_limit == "auto" and preferences.memory_limit is not None:
            changes["memory_limit"] = preferences.memory_limit
        config = config.model_copy(update=changes)
        return Order(self.model.paths, config, self.result.order())


def _sizes_of(sources: list[Source], level: int) -> tuple[dict[str, int], list[str]]:
    """Largest size of each axis, and the levels of the first multiscale image."""
    sizes: dict[str, int] = {}
    levels: list[str] = []
    for (layer, *_), axes in sources:
        data = layer.data
        if layer.multiscale:
            levels = levels or [_level_text(n, x.shape) for n, x in enumerate(data)]
            data = data[min(level, len(data) - 1)]
        for letter, size in zip(axes, data.shape, strict=False):
            sizes[letter] = max(sizes.get(letter, 1), int(size))
    return sizes, levels


def _level_text(number: int, shape: tuple[int, ...]) -> str:
    return f"{number}: {size_text(shape)}"


def _title(text: str) -> QLabel:
    label = QLabel(f"<b>{text}</b>")
    label.setTextFormat(Qt.TextFormat.RichText)
    return label


def _dropped(event: QDragEnterEvent | QDropEvent) -> Path | None:
    """First file or folder of what is dragged."""
    data = event.mimeData()
    urls = data.urls() if data is not None and data.hasUrls() else []
    local = [url.toLocalFile() for url in urls if url.isLocalFile()]
    return Path(local[0]) if local else None
