"""One process with a viewer, driven by `benchmarks.viewer`; prints a line of JSON."""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from typing import Any

import napari
import psutil

from benchmarks.viewer import ITERATIONS, PER_EPOCH, seconds_per_iteration
from napari_segtrain.config import IterationsLength
from napari_segtrain.ui.demo import Script, Steps
from napari_segtrain.ui.layers.samples import SampleRow
from napari_segtrain.ui.preferences import PLUGIN

_RUNS = 10
_SHORT = 10


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
    steps = {"speed": speed, "leaks": leaks}[sys.argv[1]]
    script = Script(steps(viewer, said))
    script.ended.connect(viewer.close)
    script.start()
    napari.run()
    if script.error is not None:
        raise script.error
    print(json.dumps(said))


if __name__ == "__main__":
    main()
