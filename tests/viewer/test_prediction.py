"""The Predict dock in a real viewer: every kind of layer, and the reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.layers import Image, Labels
from tests.training.tasks import disks
from tests.ui.predictions import WAIT, choose, predicted, trained
from tests.viewer.activities import cancel_buttons

from napari_segtrain.ui.layers.reading import read_class_table
from napari_segtrain.ui.layers.results import result_of
from napari_segtrain.ui.predict.prediction_run import PredictionRun
from napari_segtrain.ui.predict.prediction_widget import PredictionWidget
from napari_segtrain.ui.session import session_of

PLANE, TRUTH = disks((64, 72), 7)
STACK, DEEP_TRUTH = disks((4, 64, 72), 9)
DEPTH = range(4)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """Models of one to three channels, named by their number."""
    folder = tmp_path_factory.mktemp("runs")
    for n_channels in (1, 2, 3):
        trained(folder / str(n_channels), n_channels=n_channels)
    return folder


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.fixture
def dock(viewer, preferences, tmp_path: Path) -> PredictionWidget:
    preferences.run_folder = str(tmp_path / "none")
    _, widget = viewer.window.add_plugin_dock_widget("napari-segtrain", "Predict")
    return widget


def as_zarr(array: np.ndarray, folder: Path) -> Any:
    stored = zarr.create_array(folder / "a.zarr", shape=array.shape, dtype=array.dtype)
    stored[...] = array
    return stored


Case = tuple[Callable[[Path], Any], dict[str, Any], str, np.ndarray]

CASES: dict[str, Case] = {
    "plane": (lambda _: PLANE, {}, "YX", TRUTH),
    "translated": (lambda _: PLANE, {"translate": (50, -20)}, "YX", TRUTH),
    "rotated": (lambda _: PLANE, {"rotate": 30, "translate": (5, 6)}, "YX", TRUTH),
    "sheared": (lambda _: PLANE, {"shear": [0.3], "scale": (2, 1)}, "YX", TRUTH),
    "affine": (
        lambda _: PLANE,
        {"affine": np.array([[1.2, 0.1, 4], [-0.2, 0.9, 7], [0, 0, 1]])},
        "YX",
        TRUTH,
    ),
    "anisotropic": (
        lambda _: STACK,
        {"scale": (4, 0.5, 0.5), "units": ("um",) * 3, "axis_labels": ("z", "y", "x")},
        "ZYX",
        DEEP_TRUTH,
    ),
    "channels": (lambda _: np.stack([PLANE] * 2), {"scale": (1, 2, 3)}, "CYX", TRUTH),
    "rgb": (
        lambda _: np.stack([PLANE] * 3, axis=-1),
        {"rgb": True, "rotate": 20},
        "YXC",
        TRUTH,
    ),
    "multiscale": (
        lambda _: [PLANE, PLANE[::2, ::2]],
        {"multiscale": True, "scale": (2, 2)},
        "YX",
        TRUTH,
    ),
    "time series": (
        lambda _: STACK,
        {"scale": (10, 2, 2), "units": ("s", "um", "um")},
        "TYX",
        DEEP_TRUTH,
    ),
    "dask": (lambda _: da.from_array(STACK, chunks=(1, 32, 32)), {}, "ZYX", DEEP_TRUTH),
    "zarr": (lambda folder: as_zarr(STACK, folder), {}, "ZYX", DEEP_TRUTH),
}  # fmt: skip


def n_channels_of(array: Any, axes: str) -> int:
    return array.shape[axes.index("C")] if "C" in axes else 1


@pytest.mark.parametrize("name", CASES)
def test_a_result_lies_on_its_source(
    qtbot, viewer, dock, models: Path, tmp_path: Path, name: str
) -> None:
    make, options, axes, truth = CASES[name]
    data = make(tmp_path)
    source = viewer.add_image(data, name=name, **options)
    n_channels = 1 if isinstance(data, list) else n_channels_of(data, axes)
    dock.images.set_axes(source, axes)
    dock.images.check([source])
    choose(qtbot, dock, viewer, models / str(n_channels))
    dock.maps_box.setChecked(True)
    predicted(qtbot, dock)
    assert dock.messages.text == ""
    result = viewer.layers[f"{name} segmentation"]
    maps = viewer.layers[f"{name} probabilities"]
    assert (np.asarray(result.data) == truth).mean() > 0.95
    assert maps.data.shape == (2, *truth.shape)
    check_place(source, result)
    check_place(source, maps)
    assert result.units == source.units[-result.ndim :]
    assert maps.units[1:] == result.units
    found = result_of(result)
    assert found is not None
    assert (found["source"], found["is_complete"]) == (name, True)
    table = read_class_table(result)
    assert table is not None
    assert table.names == ("background", "foreground")
    n_layers = len(viewer.layers)
    predicted(qtbot, dock)
    assert len(viewer.layers) == n_layers


def check_place(source: Image, result: Image | Labels) -> None:
    """Voxels of the same index in the last axes are at the same place."""
    n = min(source.ndim, result.ndim)
    rng = np.random.default_rng(0)
    for _ in range(5):
        index = rng.integers(0, 60, n)
        ours = np.zeros(source.ndim)
        theirs = np.zeros(result.ndim)
        ours[-n:], theirs[-n:] = index, index
        if n > len("YX"):  # a leading channel or class axis is a line of its own
            ours[0] = theirs[0] = 0
        np.testing.assert_allclose(
            np.asarray(source.data_to_world(ours))[-2:],
            np.asarray(result.data_to_world(theirs))[-2:],
        )


def test_labels_of_axes(qtbot, viewer, dock, models: Path) -> None:
    make, options, axes, _ = CASES["anisotropic"]
    source = viewer.add_image(make(Path()), name="stack", **options)
    dock.images.check([source])
    assert dock.images.checked()[0][1] == axes
    choose(qtbot, dock, viewer, models / "1")
    dock.maps_box.setChecked(True)
    predicted(qtbot, dock)
    assert viewer.layers["stack segmentation"].axis_labels == ("z", "y", "x")
    maps = viewer.layers["stack probabilities"]
    assert maps.axis_labels == ("C", "z", "y", "x")
    assert maps.scale.tolist() == [1, 4, 0.5, 0.5]


def test_a_run_that_is_dropped_on_the_viewer(qtbot, viewer, models: Path) -> None:
    n_before = len(viewer.layers)
    viewer.open(str(models / "1"), plugin="napari-segtrain")
    assert len(viewer.layers) == n_before
    assert session_of(viewer).model_path == models / "1"
    _, dock = viewer.window.add_plugin_dock_widget("napari-segtrain", "Predict")
    assert isinstance(dock, PredictionWidget)
    qtbot.waitUntil(lambda: dock.model.path == models / "1", timeout=WAIT)


def test_the_tour(qtbot, viewer, dock, models: Path) -> None:
    """From the sample to a result beside its ground truth."""
    viewer.open_sample("napari-segtrain", "axons_strokes")
    assert [layer.name for layer, _ in dock.images.checked()] == ["axons test"]
    row = np.array([layer.extent.world for layer in viewer.layers])
    middle = (row[:, 0].min(axis=0) + row[:, 1].max(axis=0)) / 2
    qtbot.waitUntil(
        lambda: np.allclose(viewer.scene.camera.center[1:], middle, atol=1),
        timeout=WAIT,
    )
    choose(qtbot, dock, viewer, models / "1")
    predicted(qtbot, dock)
    result = viewer.layers["axons test segmentation"]
    truth = viewer.layers["test ground truth"]
    assert result.data.shape == truth.data.shape
    assert result.translate.tolist() == truth.translate.tolist()


def start_a_long_one(qtbot, viewer, dock, model: Path) -> PredictionRun:
    """Start a prediction that takes some seconds, and wait for its first tile."""
    stack = np.stack([disks((512, 512), n)[0] for n in range(2)] * 40)
    layer = viewer.add_image(stack, name="stack")
    dock.images.check([layer])
    choose(qtbot, dock, viewer, model)
    dock.controls.start_button.click()
    run = dock.run
    qtbot.waitUntil(lambda: run.progress is not None, timeout=WAIT)
    return run


def test_cancelling_in_the_activity_list_keeps_what_is_done(
    qtbot, viewer, dock, models: Path
) -> None:
    run = start_a_long_one(qtbot, viewer, dock, models / "1")
    title = "Predicting stack"
    qtbot.waitUntil(lambda: len(cancel_buttons(title)) == 1, timeout=WAIT)
    (cancel,) = cancel_buttons(title)
    cancel.click()
    assert run.state == "stopping"
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert run.failure is None
    assert "stack segmentation (incomplete)" in viewer.layers


def test_closing_the_viewer_during_a_prediction(
    qtbot, viewer, dock, models: Path
) -> None:
    run = start_a_long_one(qtbot, viewer, dock, models / "1")
    viewer.close()
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert run.failure is None
    assert run.outcome.n_complete == 0


def test_a_closed_dock_leaves_nothing(qtbot, viewer, models: Path) -> None:
    _, widget = viewer.window.add_plugin_dock_widget("napari-segtrain", "Predict")
    with qtbot.waitSignal(widget.destroyed, timeout=WAIT):
        viewer.window.remove_dock_widget(widget)
    layer = viewer.add_image(PLANE, name="later")
    layer.name = "renamed"
    viewer.layers.remove(layer)
