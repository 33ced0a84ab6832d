"""One process with a viewer, driven by `benchmarks.viewer`; prints a line of JSON."""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from typing import Any

import napari
import numpy as np
import psutil

from benchmarks.viewer import ITERATIONS, PER_EPOCH, seconds_per_iteration
from napari_segtrain import train
from napari_segtrain.config import IterationsLength
from napari_segtrain.data.samples import sample_dir
from napari_segtrain.io import read_image
from napari_segtrain.ui.demo import Script, Steps
from napari_segtrain.ui.layers.samples import SampleRow
from napari_segtrain.ui.predict.result_box import MEMORY, STORE
from napari_segtrain.ui.preferences import PLUGIN, read_preferences
from napari_segtrain.ui.session import session_of

_RUNS = 10
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
    known = {"speed": speed, "leaks": leaks, "first-block": first_block}
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
