"""What a run held out, predicted by its model, as layers that can be compared."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_segtrain.ui.classes.class_metadata import write_class_table
from napari_segtrain.ui.layers.results import store_result
from napari_segtrain.ui.preferences import read_preferences
from napari_segtrain.ui.worker import start_task

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari.layers import Layer
    from qtpy.QtWidgets import QWidget

    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.ui.session import Session
    from napari_segtrain.ui.worker import Failure, Task
    from napari_segtrain.workflows.held_out import HeldOutRegion

MOST_REGIONS = 8
"""That become layers; more would only be in the way."""


class HeldOutButton(QPushButton):
    """Asks for a run, predicts what it held out, and adds that as layers.

    Parameters
    ----------
    session : Session
        Of the viewer.

    Attributes
    ----------
    made : Signal(Labels, Labels)
        Ground truth and prediction of the first region; all are in the viewer.
    failed : Signal(Failure)
        Why there are none.
    started, ended : Signal()
        A prediction began, or came to its end.
    ask_path : callable
        Returns the folder of the run, or ``None``.
    """

    made = Signal(object, object)
    failed = Signal(object)
    started = Signal()
    ended = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("&Held-out samples of a run\N{HORIZONTAL ELLIPSIS}", parent)
        self._session = session
        self._task: Task | None = None
        self._run = Path()
        self.ask_path: Callable[[], Path | None] = self._ask_path
        self.setToolTip(
            "Predict what a training held out, with its model, and compare that"
        )
        self.clicked.connect(self.start)

    def set_free(self, *, is_free: bool) -> None:
        """Let it be pressed, unless it works."""
        self.setEnabled(is_free and not self.is_running)

    @property
    def is_running(self) -> bool:
        """Whether a run is being predicted."""
        return self._task is not None

    def start(self) -> None:
        """Ask for a run and predict what it held out."""
        path = None if self.is_running else self.ask_path()
        if path is None:
            return
        self._run = path
        task = self._task = start_task(
            partial(_held_out, path), title=f"Held-out samples of {path.name}"
        )
        task.succeeded.connect(self._on_task_succeeded)
        task.failed.connect(self._on_task_failed)
        task.ended.connect(self._on_task_ended)
        self.setEnabled(False)
        self.started.emit()

    def stop(self) -> None:
        """Leave a prediction that runs."""
        if self._task is not None:
            self._task.stop()

    def _on_task_succeeded(self, regions: tuple[HeldOutRegion, ...]) -> None:
        viewer = self._session.viewer
        if viewer is None or not regions:
            return
        pairs = []
        for number, region in enumerate(regions[:MOST_REGIONS]):
            layers = layers_of_region(region, self._run)
            for layer in layers:
                layer.visible = number == 0
                viewer.add_layer(layer)
            pairs.append(layers[-2:])
        truth, prediction = pairs[0]
        self.made.emit(truth, prediction)

    def _on_task_failed(self, failure: Failure) -> None:
        self.failed.emit(failure)

    def _on_task_ended(self) -> None:
        self._task = None
        self.setEnabled(True)
        self.ended.emit()

    def _ask_path(self) -> Path | None:
        start = self._session.model_path or read_preferences().run_folder
        text = QFileDialog.getExistingDirectory(self, "Run", str(start))
        return Path(text) if text else None


def layers_of_region(region: HeldOutRegion, run: Path) -> list[Layer]:
    """Image (a layer per channel), ground truth and prediction of a region.

    They lie where they lie in their sample; in µm where the voxel size is known. The
    prediction knows its run.
    """
    n_dims = len(region.truth.axes)
    size = region.truth.voxel_size
    place: dict[str, Any] = {"axis_labels": tuple(region.truth.axes.lower())}
    scale = (1.0,) * n_dims if size is None else size[-n_dims:]
    start = region.start[-n_dims:]
    place["scale"] = scale
    place["translate"] = [a * s for a, s in zip(start, scale, strict=True)]
    if size is not None:
        place["units"] = ("um",) * n_dims
    layers: list[Layer] = []
    channels = region.image if n_dims > 2 else region.image[:, 0]  # noqa: PLR2004
    for number, channel in enumerate(channels):
        name = region.name if len(channels) == 1 else f"{region.name} {number}"
        blending = "additive" if number else "translucent"
        layers.append(Image(channel, name=name, blending=blending, **place))
    for labels in (region.truth, region.prediction):
        layer = Labels(labels.array, name=labels.name, **place)
        if labels.classes is not None:
            write_class_table(layer, labels.classes)
        layers.append(layer)
    identity = str(layers[-1].unique_id)
    store_result(layers[-1], kind="held-out", layer_id=identity, run=str(run))
    return layers


def _held_out(
    path: Path, control: RunControl
) -> Generator[Event, None, tuple[HeldOutRegion, ...]]:
    from napari_segtrain.workflows.held_out import iter_held_out

    return (yield from iter_held_out(path, control=control))
