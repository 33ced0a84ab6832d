"""Make the pictures of README and docs from the real docks.

``xvfb-run -a -s "-screen 0 1600x1300x24" python tools/make_screenshots.py`` opens the
sample of the tutorial, trains, predicts and compares in napari, as the tutorial does,
and writes `PICTURES` to ``docs/images``. The scores in them are those of this run, so
run it on a machine that has nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
import PIL.Image
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap

from napari_segtrain.config import (
    AugmentationConfig,
    ExperimentConfig,
    SeparationConfig,
    TimeBudgetLength,
)
from napari_segtrain.ui.demo import Script
from napari_segtrain.ui.layers.results import is_result
from napari_segtrain.ui.objects.preview_layer import find_preview
from napari_segtrain.ui.predict.result_box import STORE

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

PLUGIN = "napari-segtrain"
IMAGES_DIR = Path(__file__).parents[1] / "docs/images"
PICTURES = (
    "window-samples.png",
    "window-training.png",
    "window-predicted.png",
    "window-compared.png",
    "window-edited.png",
    "train-setup.png",
    "train-classes.png",
    "train-augmentation.png",
    "train-run.png",
    "predict.png",
    "compare.png",
    "window-objects.png",
    "objects.png",
    "models.png",
    "curves.png",
)
MAX_BYTES = 300_000
WINDOW = (1400, 900)
DOCK_WIDTH = 420
DOCK_HEIGHT = 1000
ZOOM = 2.0
WELL_ON, LATE, N_EPOCHS = 0.6, 0.9, 3
SETTLE = 0.6
BRUSH_SIZE = 15

Wait = Callable[[], bool] | float
Steps = Generator[Wait, None, None]


class Photographer:
    """Goes through the tutorial and takes the pictures.

    Parameters
    ----------
    viewer : napari.Viewer
        Empty.
    folder : Path
        For the pictures.
    runs : Path
        The run folder.
    seconds : float
        Time budget of the training.
    """

    def __init__(
        self, viewer: napari.Viewer, folder: Path, runs: Path, seconds: float
    ) -> None:
        self._viewer = viewer
        self._folder = folder
        self._runs = runs
        self._seconds = seconds
        self.made: set[str] = set()

    def steps(self) -> Steps:
        """Go through all steps; see `Script`."""
        self._viewer.open_sample(PLUGIN, "axons_strokes")
        yield from self._set_up()
        yield from self._train()
        yield from self._predict()
        yield from self._compare()
        yield from self._make_objects()
        yield from self._list_models()
        yield from self._edit_a_store()
        missing = set(PICTURES) ^ self.made
        if missing:
            raise RuntimeError(f"pictures that were not made: {sorted(missing)}")

    def _set_up(self) -> Steps:
        train = self._open("Train")
        page = train.setup_page
        page.samples.table.add_button.click()
        self._set_seconds(page.form)
        self._viewer.layers.selection.active = self._viewer.layers["strokes 1"]
        yield lambda: bool(page.plan_view.details.text() or page.plan_view.remarks())
        self._viewer.reset_view()
        yield SETTLE
        yield from self._window("window-samples.png")
        yield from self._dock(train, "train-setup.png", page)
        self._widget(page.samples.classes, "train-classes.png")
        yield from self._preview_augmentation(page)

    def _preview_augmentation(self, page: Any) -> Steps:
        form, view = page.form, page.augmentation
        usual = form.config()
        form.set_config(_strongly_augmented(usual))
        form.unfold("augmentation")
        page.preview.unfold()
        yield lambda: not page.is_planning and bool(view.rows.captions)
        yield SETTLE
        self._widget(page.preview, "train-augmentation.png")
        form.set_config(usual)

    def _set_seconds(self, form: Any) -> None:
        config = form.config()
        length = TimeBudgetLength(seconds=self._seconds)
        training = config.training.model_copy(update={"length": length})
        form.set_config(config.model_copy(update={"training": training}))

    def _train(self) -> Steps:
        train = self._open("Train")
        self._look_at("axons 2", ZOOM)
        train.start()
        run = train.run_page.run
        while run.is_running and not self._is_well_on(run):
            yield 0.2
        yield from self._window("window-training.png")
        while run.is_running:
            yield 0.2
        _check(run)
        yield SETTLE
        yield from self._dock(train, "train-run.png", train.run_page)
        shutil.copy(run.result.run_dir / "curves.png", self._folder)
        self.made.add("curves.png")
        train.run_page.outcome.predict_button.click()

    def _is_well_on(self, run: Any) -> bool:
        last = run.history.last
        share = 0.0 if last is None else last.seconds / self._seconds
        n_epochs = len(run.history.epochs)
        return share > LATE or (share > WELL_ON and n_epochs >= N_EPOCHS)

    def _predict(self) -> Steps:
        dock = self._open("Predict")
        yield lambda: dock.model.info is not None
        dock.images.check([self._viewer.layers["axons test"]])
        dock.start()
        yield lambda: dock.run is not None and not dock.run.is_running
        _check(dock.run)
        yield SETTLE
        self._look_at("axons test", ZOOM)
        yield SETTLE
        yield from self._window("window-predicted.png")
        yield from self._dock(dock, "predict.png")

    def _compare(self) -> Steps:
        dock = self._open("Compare")
        yield SETTLE
        dock.compare()
        yield lambda: not dock.is_running
        if dock.comparison is None:
            raise RuntimeError("there is no comparison")
        print(dock.comparison.report.format_table())
        dock.form.prediction_choice.layer().visible = False
        yield SETTLE
        yield from self._window("window-compared.png")
        yield from self._dock(dock, "compare.png")

    def _make_objects(self) -> Steps:
        layers = self._viewer.layers
        dock = self._open("Objects")
        yield SETTLE
        result = next(x for x in layers if isinstance(x, Labels) and is_result(x))
        dock.form.layer_choice.set_layer(result)
        dock.form.image_choice.set_layer(layers["axons test"])
        settings = SeparationConfig(method="distances", min_voxels=50)
        dock.form.settings.set_config(settings)
        dock.preview_box.setChecked(True)
        yield lambda: find_preview(self._viewer) is not None
        yield SETTLE
        for layer in list(layers)[1:]:
            layer.visible = layer in (layers["axons test"], find_preview(self._viewer))
        dock.make()
        yield lambda: not dock.is_running
        dock.view.table.selectRow(7)
        self._look_at("axons test", ZOOM)
        yield SETTLE
        yield from self._window("window-objects.png")
        yield from self._dock(dock, "objects.png")
        layers.remove(layers[f"objects of {result.name}"])

    def _list_models(self) -> Steps:
        dock = self._open("Models")
        yield lambda: bool(dock.list.shown_runs())
        yield SETTLE
        dock.list.select(next(iter(self._runs.iterdir())))
        dock.folding.unfold()
        yield lambda: bool(dock.details.text())
        yield SETTLE
        yield from self._dock(dock, "models.png")

    def _edit_a_store(self) -> Steps:
        layers = self._viewer.layers
        dock = self._open("Predict")
        for layer in list(layers)[1:]:
            layer.visible = layer.name == "axons test"
        dock.images.check([layers["axons test"]])
        dock.result.kind_box.setCurrentIndex(STORE)
        dock.start()
        yield lambda: dock.run is not None and not dock.run.is_running
        _check(dock.run)
        layers.selection.active = next(
            layer for layer in layers if isinstance(layer, Labels) and layer.multiscale
        )
        dock.edit_bar.edit_button.click()
        yield lambda: not layers.selection.active.multiscale
        edits = layers.selection.active
        edits.selected_label, edits.brush_size, edits.mode = 2, BRUSH_SIZE, "paint"
        self._look_at("axons test", ZOOM)
        _paint_a_stroke(edits, self._viewer.scene.camera.center[-2:])
        yield SETTLE
        yield from self._window("window-edited.png")
        dock.edit_bar.save_button.click()
        yield lambda: not dock.edit_bar.save_button.isEnabled()

    def _open(self, name: str) -> Any:
        dock, widget = self._viewer.window.add_plugin_dock_widget(
            PLUGIN, name, tabify=True
        )
        dock.show()
        dock.raise_()
        window = dock.parent()
        window.resizeDocks([dock], [DOCK_WIDTH], Qt.Orientation.Horizontal)
        return widget

    def _look_at(self, name: str, zoom: float = 1.0) -> None:
        """Fill the view with the middle of one layer."""
        layers, camera = self._viewer.layers, self._viewer.scene.camera
        self._viewer.reset_view()
        (top, left), (bottom, right) = layers[name].extent.world
        camera.zoom *= zoom * layers.extent.world[1][-1] / (right - left)
        camera.center = (top + bottom) / 2, (left + right) / 2

    def _window(self, name: str) -> Steps:
        self._viewer.window.resize(*WINDOW)
        yield SETTLE
        array = self._viewer.screenshot(canvas_only=False, flash=False)
        self._save(PIL.Image.fromarray(array).convert("RGB"), name)

    def _dock(self, widget: QWidget, name: str, page: QWidget | None = None) -> Steps:
        """Picture of a dock that floats, high enough for a page of it."""
        dock = widget.parent()
        dock.setFloating(True)
        extra = 0
        if page is not None:
            view = page.parent()
            extra = max(0, page.sizeHint().height() - view.height()) + 40
        dock.resize(DOCK_WIDTH, min(DOCK_HEIGHT, widget.height() + extra))
        yield SETTLE
        self._widget(widget, name)
        dock.setFloating(False)
        yield SETTLE

    def _widget(self, widget: QWidget, name: str) -> None:
        self._save(_picture(widget.grab()), name)

    def _save(self, picture: PIL.Image.Image, name: str) -> None:
        path = self._folder / name
        few = picture.quantize(method=PIL.Image.Quantize.FASTOCTREE)
        few.save(path, optimize=True)
        if path.stat().st_size >= MAX_BYTES:
            raise RuntimeError(f"{path} has {path.stat().st_size} bytes; zoom in")
        self.made.add(name)
        print(f"{path}: {picture.width} × {picture.height}, {path.stat().st_size} B")


def _paint_a_stroke(layer: Labels, center: tuple[float, ...]) -> None:
    """Paint a bow through a place in world units."""
    size = layer.brush_size * min(layer.scale[-2:])
    for angle in np.linspace(0.0, np.pi, 30):
        place = np.add(center, 2.5 * size * np.array([-np.sin(angle), np.cos(angle)]))
        layer.paint(layer.world_to_data(place), layer.selected_label)


def _picture(pixmap: QPixmap) -> PIL.Image.Image:
    image = pixmap.toImage().convertToFormat(QImage.Format.Format_RGB888)
    size, line = (image.width(), image.height()), image.bytesPerLine()
    data = image.constBits().asstring(image.sizeInBytes())
    return PIL.Image.frombytes("RGB", size, data, "raw", "RGB", line)


def _strongly_augmented(config: ExperimentConfig) -> ExperimentConfig:
    augmentation = AugmentationConfig(preset="strong")
    return config.model_copy(update={"augmentation": augmentation})


def _check(run: Any) -> None:
    if run.failure is not None:
        raise RuntimeError(f"{run.failure.text}\n{run.failure.details}")


def main() -> int:
    """Take all pictures; returns an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=IMAGES_DIR)
    parser.add_argument("--seconds", type=float, default=75.0)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        os.environ["SEGTRAIN_RUN_FOLDER"] = str(runs)
        viewer = napari.Viewer()
        viewer.window.resize(*WINDOW)
        photographer = Photographer(viewer, options.output, runs, options.seconds)
        script = Script(photographer.steps())
        script.ended.connect(viewer.close)
        script.start()
        napari.run()
    if script.error is not None:
        print(f"failed: {script.error!r}", file=sys.stderr)
    return int(script.error is not None)


if __name__ == "__main__":
    sys.exit(main())
