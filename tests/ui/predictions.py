"""Small trained models, and docks that predict with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from tests.training.tasks import disks

from napari_segtrain.ui.predict.prediction_widget import PredictionWidget
from napari_segtrain.ui.session import session_of
from napari_segtrain.workflows.training import train

WAIT = 60_000
QUICK: dict[str, Any] = {
    "network": {"depth": 1, "first_filters": 8, "stem": 1},
    "training": {
        "learning_rate": 0.03,
        "length": {"kind": "iterations", "iterations": 40},
    },
    "validation": {"kind": "none"},
}


def trained(path: Path, *, n_channels: int = 1, dims: int = 2, **settings: Any) -> Path:
    """A run that has learned disks from noise."""
    shape = (96, 96) if dims == 2 else (12, 48, 48)
    image, labels = disks(shape, 0)
    axes = "ZYX"[-dims:]
    if n_channels > 1:
        image, axes = np.stack([image] * n_channels), f"C{axes}"
    patch = [1, 48, 48] if dims == 2 else [8, 32, 32]
    network = QUICK["network"] | {"dims": dims}
    sampling = {"patch_size": patch, "batch_size": 4}
    data = {"axes": axes} | settings.pop("data", {})
    known = QUICK | {"network": network, "sampling": sampling, "data": data}
    train(image, labels, output=path, **(known | settings))
    return path


def opened(qtbot, viewer: ViewerModel, model: Path | None = None) -> PredictionWidget:
    """A dock in which a model is chosen."""
    widget = PredictionWidget(viewer)
    qtbot.addWidget(widget)
    if model is not None:
        choose(qtbot, widget, viewer, model)
    return widget


def choose(qtbot, widget: PredictionWidget, viewer: ViewerModel, model: Path) -> None:
    session_of(viewer).choose_model(model)
    qtbot.waitUntil(lambda: widget.model.path == model, timeout=WAIT)


def predicted(qtbot, widget: PredictionWidget) -> None:
    """Press Predict and wait for the end."""
    widget.controls.start_button.click()
    run = widget.run
    assert run is not None, widget.messages.text
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
