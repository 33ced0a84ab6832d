"""The demo in the viewer: ``python -m napari_segtrain.ui.demo``.

It drives the real docks as a user would: opens a sample, trains, predicts an image that
was not trained on, compares with its ground truth, and writes everything to a folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QObject, QTimer, Signal

from napari_segtrain.config import TimeBudgetLength
from napari_segtrain.ui.layers.samples import SampleRow
from napari_segtrain.ui.preferences import PLUGIN, RUN_FOLDER_VARIABLE
from napari_segtrain.ui.worker import start_job

CLOSE_VARIABLE = "SEGTRAIN_DEMO_CLOSE"
"""The viewer is closed at the end when this environment variable is set."""

_SAMPLE, _IMAGE, _TRUTH = "axons", "axons test", "axons test ground truth"
_PATIENCE = 120.0
_POLL_MS = 50
_PARTS = ("runs", "screenshots", "segmentation.tif", "metrics.csv")
_WINDOW = (1500, 960)
_CANVAS = 700.0
"""Pixels of the canvas that are surely seen."""

Wait = Callable[[], bool] | float
Steps = Generator[Wait, None, None]


class Script(QObject):
    """Goes through steps that wait for something, while the viewer lives.

    Parameters
    ----------
    steps : generator
        Yields seconds to wait, or a function that is asked until it is true.

    Attributes
    ----------
    ended : Signal()
        All steps were gone through, or one failed; see ``error``.
    """

    ended = Signal()

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.error: Exception | None = None
        self._steps = steps
        self._wait: Callable[[], bool] = bool
        self._n_polls = 0
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._on_timer_timeout)

    def start(self) -> None:
        """Take the first step when the event loop runs."""
        QTimer.singleShot(0, self._go_on)

    def _go_on(self) -> None:
        try:
            wait = next(self._steps)
        except StopIteration:
            self._end()
        except Exception as error:  # noqa: BLE001 - told to whoever runs the script
            self.error = error
            self._end()
        else:
            self._begin_to_wait(wait)

    def _begin_to_wait(self, wait: Wait) -> None:
        if isinstance(wait, float):
            QTimer.singleShot(round(1000 * wait), self._go_on)
            return
        self._wait, self._n_polls = wait, 0
        self._timer.start()

    def _on_timer_timeout(self) -> None:
        self._n_polls += 1
        if self._wait():
            self._timer.stop()
            self._go_on()
        elif self._n_polls * _POLL_MS > 1000 * _PATIENCE:
            self.error = TimeoutError("a step of the demo did not end")
            self._end()

    def _end(self) -> None:
        self._timer.stop()
        self.ended.emit()


class Demo:
    """What is done in the viewer, step by step.

    Parameters
    ----------
    viewer : napari.Viewer
        Empty.
    folder : Path
        Where everything is written.
    seconds : float
        Time budget of the training.
    say : callable
        Is given each line for the user.
    """

    def __init__(
        self,
        viewer: napari.Viewer,
        folder: Path,
        seconds: float,
        say: Callable[[str], None],
    ) -> None:
        self._viewer = viewer
        self._folder = folder
        self._seconds = seconds
        self._say = say

    def steps(self) -> Steps:
        """Go through all steps; see `Script`."""
        self._viewer.open_sample(PLUGIN, _SAMPLE)
        yield from self._train()
        yield from self._predict()
        yield from self._compare()
        self._say(f"everything is in {self._folder}")

    def _train(self) -> Steps:
        dock = self._open("Train")
        table = dock.setup_page.samples.table
        table.set_rows([self._row(number) for number in (1, 2)])
        form = dock.setup_page.form
        length = TimeBudgetLength(seconds=self._seconds)
        config = form.config()
        training = config.training.model_copy(update={"length": length})
        form.set_config(config.model_copy(update={"training": training}))
        yield lambda: bool(dock.setup_page.plan_view.details.text())
        self._picture("1-setup")
        self._say(f"1. training on two images for {self._seconds:.0f} s")
        dock.start()
        run = dock.run_page.run
        yield lambda: not run.is_running or len(run.history.epochs) > 1
        self._picture("2-training")
        yield lambda: not run.is_running
        _raise_failure(run)
        yield 0.5
        self._picture("3-trained")
        score = run.result.score
        self._say(
            f"   {run.result.iterations} iterations in {run.result.seconds:.0f} s, "
            f"validation IoU {'-' if score is None else format(score, '.3f')}; "
            f"the model is {run.result.model_path}"
        )
        dock.run_page.outcome.predict_button.click()

    def _predict(self) -> Steps:
        self._say(f"2. predicting '{_IMAGE}', which was not trained on")
        dock = self._open("Predict")
        yield lambda: dock.model.info is not None
        dock.images.check([self._viewer.layers[_IMAGE]])
        dock.maps_box.setChecked(True)
        before = set(self._viewer.layers)
        yield 0.2
        dock.start()
        yield lambda: dock.run is not None and not dock.run.is_running
        _raise_failure(dock.run)
        self._result = next(
            layer
            for layer in self._viewer.layers
            if layer not in before and isinstance(layer, napari.layers.Labels)
        )
        self._look_at(self._result)
        yield 0.5
        self._picture("4-predicted")
        path, array = self._folder / "segmentation.tif", self._result.data
        yield _done(lambda: _write_labels(path, array))

    def _compare(self) -> Steps:
        self._say("3. comparing with the ground truth")
        dock = self._open("Compare")
        dock.form.truth_choice.set_layer(self._viewer.layers[_TRUTH])
        dock.form.prediction_choice.set_layer(self._result)
        dock.compare()
        yield lambda: not dock.is_running
        if dock.comparison is None:
            raise RuntimeError("there is no comparison")
        yield 0.5
        self._picture("5-compared")
        dock.ask_path = lambda: self._folder / "metrics.csv"
        dock.save()
        yield (self._folder / "metrics.csv").is_file
        self._say(dock.comparison.report.format_table())

    def _open(self, name: str) -> Any:
        dock, widget = self._viewer.window.add_plugin_dock_widget(
            PLUGIN, name, tabify=True
        )
        dock.show()
        dock.raise_()
        return widget

    def _row(self, number: int) -> SampleRow:
        layers = self._viewer.layers
        name = f"{_SAMPLE} {number}"
        return SampleRow((layers[name],), layers[f"{name} labels"])

    def _look_at(self, layer: Any) -> None:
        """Show a layer and what lies beside it at the size of the canvas."""
        (top, left), (bottom, right) = layer.extent.world[:, -2:]
        camera = self._viewer.scene.camera
        camera.center = (0.0, (top + bottom) / 2, (left + right) / 2)
        camera.zoom = _CANVAS / max(bottom - top, right - left)

    def _picture(self, name: str) -> None:
        folder = self._folder / "screenshots"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.png"
        self._viewer.screenshot(str(path), canvas_only=False, flash=False)


def _raise_failure(run: Any) -> None:
    if run.failure is not None:
        raise RuntimeError(f"{run.failure.text}\n{run.failure.details}")


def _done(function: Callable[[], Any]) -> Callable[[], bool]:
    """Run a function in a thread; the answer says whether it came to its end."""
    job = start_job(function, title="Write the segmentation")
    return lambda: not job.is_running


def _write_labels(path: Path, array: Any) -> None:
    from napari_segtrain import write_labels

    write_labels(path, array)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; returns an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m napari_segtrain.ui.demo",
        description="Train, predict and compare in napari, on bundled images. "
        f"The viewer stays open unless {CLOSE_VARIABLE} is set.",
    )
    parser.add_argument("--output", type=Path, default=Path("demo"))
    parser.add_argument("--time-budget", type=float, default=60.0, metavar="SECONDS")
    options = parser.parse_args(arguments)
    _use_virtual_display()
    folder: Path = options.output.absolute()
    _empty(folder)
    os.environ[RUN_FOLDER_VARIABLE] = str(folder / "runs")
    viewer = napari.Viewer(title="napari-segtrain demo")
    viewer.window.resize(*_WINDOW)
    script = Script(Demo(viewer, folder, options.time_budget, print).steps())
    if os.environ.get(CLOSE_VARIABLE):
        script.ended.connect(viewer.close)
    script.start()
    napari.run()
    if script.error is not None:
        print(f"the demo failed: {script.error}", file=sys.stderr)
    return int(script.error is not None)


def _use_virtual_display() -> None:
    """Begin again in a virtual display when a Linux machine has no display."""
    has_display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not sys.platform.startswith("linux") or has_display:
        return
    program = shutil.which("xvfb-run")
    if program is None:
        sys.exit(
            "There is no display and no xvfb-run; install xvfb, or use the headless "
            "demo: segtrain demo"
        )
    os.environ[CLOSE_VARIABLE] = "1"
    os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")
    screen = ["--auto-servernum", "--server-args", "-screen 0 1600x1000x24"]
    command = [program, *screen, sys.executable, "-m", "napari_segtrain.ui.demo"]
    os.execv(program, [*command, *sys.argv[1:]])


def _empty(folder: Path) -> None:
    """Remove what an earlier demo wrote."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in _PARTS:
        path = folder / part
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
