"""One process with a viewer, driven by `benchmarks.viewer`; prints a line of JSON."""

from __future__ import annotations

import gc
import json
import statistics
import sys
import threading
import time
from typing import Any

import napari
import numpy as np
import psutil
from napari.layers import Labels
from qtpy.QtWidgets import QApplication
from scipy.ndimage import gaussian_filter

from benchmarks.viewer import ITERATIONS, PER_EPOCH, seconds_per_iteration
from napari_segtrain import train
from napari_segtrain.config import IterationsLength, SeparationConfig
from napari_segtrain.data.samples import sample_dir
from napari_segtrain.io import read_image, read_labels
from napari_segtrain.ui.demo import Script, Steps
from napari_segtrain.ui.layers.samples import SampleRow
from napari_segtrain.ui.predict.result_box import MEMORY, STORE
from napari_segtrain.ui.preferences import PLUGIN, read_preferences
from napari_segtrain.ui.session import session_of

_RUNS = 10
_SLICE = 2048
_METHODS = {
    "components": "mask",
    "distances": "mask",
    "erosion": "mask",
    "membranes": "maps",
}
_SHORT = 10
_LARGE = (("axons", 2, (8192, 8192)), ("embryo", 3, (128, 1024, 1024)))


def speed(viewer: napari.Viewer, said: dict[str, Any]) -> Steps:
    dock = _open_dock(viewer, said)
    _set(dock, ITERATIONS, PER_EPOCH)
    yield lambda: bool(dock.setup_page.plan_view.details.text())
    dock.start()
    run = dock.run_page.run
    yield lambda: not run.is_running
    said["seconds_per_iteration"] = seconds_per_iteration(run.run_dir)


def leaks(viewer: napari.Viewer, said: dict[str, Any]) -> Steps:
    dock = _open_dock(viewer, said)
    _set(dock, _SHORT, _SHORT)
    process = psutil.Process()
    said["lines"] = []
    for number in range(1, _RUNS + 1):
        dock.start()
        run = dock.run_page.run
        yield lambda run=run: not run.is_running
        yield 1.0
        gc.collect()
        memory = process.memory_info().rss / 1e9
        said["lines"].append(
            f"after run {number}: {memory:.3f} GB, {process.num_threads()} threads, "
            f"{threading.active_count()} of Python"
        )


def first_block(viewer: napari.Viewer, said: dict[str, Any]) -> Steps:
    """From the click on Predict to the first labels in view, of large images."""
    for sample, dims, shape in _LARGE:
        model = train(
            sample_dir(sample) / "train/image", sample_dir(sample) / "train/label",
            output=read_preferences().run_folder / sample, iterations=20,
            network={"dims": dims},
        ).model_path  # fmt: skip
        plane = read_image(next((sample_dir(sample) / "train/image").iterdir()))
        repeats = [-(-n // m) for n, m in zip(shape, plane.array.shape, strict=True)]
        data = np.tile(np.asarray(plane.array[...]), repeats)
        layer = viewer.add_image(data[tuple(slice(n) for n in shape)], name=sample)
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Predict")
        session_of(viewer).choose_model(model)
        yield lambda dock=dock, model=model: dock.model.path == model
        dock.images.check([layer])
        for name in ("cold", "warm", "warm, into a store"):
            is_store = "store" in name
            dock.result.kind_box.setCurrentIndex(STORE if is_store else MEMORY)
            viewer.dims.set_current_step(0, shape[0] // 2)
            yield 2.0
            start = time.perf_counter()
            dock.start()
            shown = f"{sample} {'preview' if is_store else 'segmentation'}"
            yield lambda shown=shown: shown in viewer.layers
            said[f"{dims}D {name}"] = time.perf_counter() - start
            dock.run.stop()
            yield lambda run=dock.run: not run.is_running
            viewer.layers.remove(viewer.layers[-1])
        viewer.layers.clear()


def previews(viewer: napari.Viewer, said: dict[str, Any]) -> Steps:
    """From a setting of the Objects dock to its preview, of a slice of 2048²."""
    folder = sample_dir("nuclei") / "test"
    plane = np.asarray(read_labels(folder / "label/004.tif").array[...]) > 0
    tiles = [-(-_SLICE // n) for n in plane.shape]
    mask = np.tile(plane, tiles)[:_SLICE, :_SLICE].astype(np.uint8)
    viewer.add_labels(mask, name="mask")
    viewer.add_image(gaussian_filter(mask.astype(np.float32), 3), name="maps")
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Objects")
    viewer.window.resize(1400, 900)
    yield 1.0
    viewer.reset_view()
    ends: list[float] = []
    dock.preview.shown.connect(lambda _: ends.append(time.perf_counter()))
    dock.preview_box.setChecked(True)
    yield lambda: bool(ends)
    for kind, name in _METHODS.items():
        dock.form.layer_choice.set_layer(viewer.layers[name])
        dock.form.settings.set_config(SeparationConfig(method={"kind": kind}))
        yield 2.0
        seconds = []
        for size in range(10, 10 + _RUNS):
            del ends[:]
            start = time.perf_counter()
            config = SeparationConfig(method={"kind": kind}, min_voxels=size)
            dock.form.settings.set_config(config)
            yield lambda: bool(ends)
            seconds.append(ends[0] - start)
        said[kind] = statistics.median(seconds)


def clicks(viewer: napari.Viewer, said: dict[str, Any]) -> Steps:
    """From a click on one of the worst objects to its picture."""
    viewer.open_sample(PLUGIN, "embryo")
    truth = next(x for x in viewer.layers if isinstance(x, Labels) and x.ndim == 3)
    place = {key: getattr(truth, key) for key in ("scale", "translate", "units")}
    shifted = np.roll(np.asarray(truth.data), (1, 2, -3), (0, 1, 2))
    found = viewer.add_labels(shifted, name="segmentation", **place)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Compare")
    dock.form.choose(truth, found)
    dock.form.objects_box.setChecked(True)
    dock.compare()
    yield lambda: not dock.is_running
    yield 1.0
    table = dock.view.parts.worst_table
    seconds = []
    for y in range(min(table.rowCount(), _RUNS)):
        start = time.perf_counter()
        table.selectRow(y)
        QApplication.processEvents()
        seconds.append(time.perf_counter() - start)
        yield 0.3
    said["median"], said["longest"] = statistics.median(seconds), max(seconds)


def _open_dock(viewer: napari.Viewer, said: dict[str, Any]) -> Any:
    viewer.open_sample(PLUGIN, "axons")
    start = time.perf_counter()
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    said["seconds_to_open"] = time.perf_counter() - start
    layers = viewer.layers
    rows = [
        SampleRow((layers[f"axons {n}"],), layers[f"axons {n} labels"]) for n in (1, 2)
    ]
    dock.setup_page.samples.table.set_rows(rows)
    return dock


def _set(dock: Any, iterations: int, per_epoch: int) -> None:
    form = dock.setup_page.form
    changes = {
        "length": IterationsLength(iterations=iterations),
        "iterations_per_epoch": per_epoch,
    }
    config = form.config()
    training = config.training.model_copy(update=changes)
    form.set_config(config.model_copy(update={"training": training}))


def main() -> None:
    said: dict[str, Any] = {}
    viewer = napari.Viewer()
    known = {
        "speed": speed,
        "leaks": leaks,
        "first-block": first_block,
        "previews": previews,
        "clicks": clicks,
    }
    steps = known[sys.argv[1]]
    script = Script(steps(viewer, said))
    script.ended.connect(viewer.close)
    script.start()
    napari.run()
    if script.error is not None:
        raise script.error
    print(json.dumps(said))


if __name__ == "__main__":
    main()
