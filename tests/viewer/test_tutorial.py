"""The tutorial, step by step in a real viewer, with a small network.

Each heading of ``docs/tutorial.md`` has a function here of the same name, in the same
order; a page that was changed and a test that was not do not go together.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton

PAGE = Path(__file__).parents[2] / "docs/tutorial.md"
PLUGIN = "napari-segtrain"
WAIT = 120_000
SMALL = {
    "network": {"depth": 2, "first_filters": 8},
    "sampling": {"patch_size": (1, 64, 64), "batch_size": 2},
    "training": {"iterations_per_epoch": 4},
}


class Tutorial(SimpleNamespace):
    """What the steps share: qtbot, viewer, docks."""

    qtbot: Any
    viewer: Any

    def dock(self, name: str) -> Any:
        window = self.viewer.window
        dock, widget = window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
        dock.show()
        dock.raise_()
        return widget

    def press(self, button: QPushButton, text: str) -> None:
        """Press a button that reads as the page says."""
        assert button.text().replace("&", "") == text
        assert button.isVisibleTo(button.window())
        assert button.isEnabled()
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def wait(self, condition: Any) -> None:
        self.qtbot.waitUntil(condition, timeout=WAIT)

    def samples(self) -> list[tuple[str, str]]:
        rows = self.train.setup_page.samples.rows()
        return [(row.images[0].name, row.labels.name) for row in rows]

    def counts(self) -> dict[str, int]:
        rows = self.train.setup_page.samples.classes.shown.rows
        return {row.name: row.n_voxels for row in rows}

    def paint(self, value: int, *centers: tuple[int, int]) -> None:
        """A stroke with the brush of the active layer."""
        layer = self.viewer.layers.selection.active
        layer.mode = "paint"
        for center in centers:
            layer.paint(center, value)


def open_the_sample(t: Tutorial) -> None:
    t.viewer.open_sample(PLUGIN, "axons_strokes")
    layers = t.viewer.layers
    assert {"axons 1", "axons 2", "axons test"} < {layer.name for layer in layers}
    assert not layers["test ground truth"].visible
    t.train = t.dock("Train")
    assert t.samples() == [("axons 2", "strokes 2")]
    t.press(t.train.setup_page.samples.table.add_button, "Add row")
    assert t.samples() == [("axons 2", "strokes 2"), ("axons 1", "strokes 1")]


def look_at_the_classes(t: Tutorial) -> None:
    t.viewer.layers.selection.active = t.viewer.layers["strokes 2"]
    classes = t.train.setup_page.samples.classes
    t.wait(lambda: classes.counts.facts is not None)
    assert list(t.counts()) == ["unlabelled", "background", "myelin", "axon"]
    assert all(t.counts().values())
    assert classes.zero_choice.currentText() == "unlabelled"


def paint_a_stroke_more(t: Tutorial) -> None:
    grid = t.train.setup_page.samples.classes.grid
    strokes = t.viewer.layers["strokes 2"]
    t.viewer.layers.selection.active = t.viewer.layers["axons 2"]
    before = t.counts()["myelin"]
    grid.setCurrentCell(2, 2)
    assert t.viewer.layers.selection.active == strokes
    assert strokes.selected_label == 2
    free = np.argwhere(np.asarray(strokes.data) == 0)[5000]
    t.paint(2, tuple(int(at) for at in free))
    t.wait(lambda: t.counts()["myelin"] > before)


def start(t: Tutorial) -> None:
    page = t.train.setup_page
    length = {"kind": "time-budget", "seconds": 60}
    config = page.form.config().model_dump()
    for section, values in SMALL.items():
        config[section] |= values
    config["training"]["length"] = length
    page.form.set_config(type(page.form.config()).model_validate(config))
    t.wait(lambda: bool(page.plan_view.details.text()))
    t.press(t.train.controls.start_button, "Start training")
    t.run = t.train.run_page.run
    assert t.run.is_running


def watch(t: Tutorial) -> None:
    assert t.train.tabs.tabText(t.train.tabs.currentIndex()).replace("&", "") == "Run"
    t.wait(lambda: bool(t.run.history.epochs) or not t.run.is_running)
    assert t.run.failure is None
    assert t.run.is_running
    assert len(t.run.history.epochs[0].iou) == 3
    assert t.run.history.preview is not None
    assert t.train.run_page.preview.isVisibleTo(t.train)


def finish_now(t: Tutorial) -> None:
    t.press(t.train.controls.finish_button, "Finish now")
    t.wait(lambda: not t.run.is_running)
    assert t.run.failure is None
    assert t.run.result.is_complete
    assert t.run.result.score is not None


def predict_the_test_image(t: Tutorial) -> None:
    t.press(t.train.run_page.outcome.predict_button, "Predict with this model")
    t.predict = t.dock("Predict")
    t.wait(lambda: t.predict.model.path == t.run.result.run_dir)
    t.predict.images.check([t.viewer.layers["axons test"]])
    predict(t)
    t.result = t.viewer.layers["axons test segmentation"]
    assert t.result.data.shape == t.viewer.layers["axons test"].data.shape
    assert set(np.unique(t.result.data)) <= {1, 2, 3}
    assert t.result.get_color(1)[-1] == 0


def predict(t: Tutorial) -> None:
    t.press(t.predict.controls.start_button, "Predict")
    t.wait(lambda: not t.predict.run.is_running)
    assert t.predict.run.failure is None


def compare_with_its_ground_truth(t: Tutorial) -> None:
    t.compare = t.dock("Compare")
    t.wait(lambda: t.compare.form.prediction_choice.currentText() == t.result.name)
    assert t.compare.form.truth_choice.currentText() == "test ground truth"
    t.press(t.compare.compare_button, "Compare")
    t.wait(lambda: not t.compare.is_running)
    names = [line.split("\t")[0] for line in t.compare.view.table.text().splitlines()]
    assert names[1:] == ["background", "myelin", "axon", "overall"]
    assert f"errors of {t.result.name}" in t.viewer.layers


def correct_and_train_on(t: Tutorial) -> None:
    t.viewer.layers.selection.active = t.viewer.layers["strokes 1"]
    t.paint(3, (30, 30), (30, 40))
    t.dock("Train")
    t.press(t.train.run_page.outcome.train_button, "Train on")
    first, t.run = t.run, t.train.run_page.run
    assert t.run is not first
    watch(t)
    finish_now(t)
    t.press(t.train.run_page.outcome.predict_button, "Predict with this model")
    t.wait(lambda: t.predict.model.path == t.run.result.run_dir)
    predict(t)
    t.result = t.viewer.layers["axons test segmentation [1]"]
    compare_with_its_ground_truth(t)
    models = t.dock("Models")
    t.wait(lambda: len(models.list.runs) == 2)


STEPS = (
    open_the_sample,
    look_at_the_classes,
    paint_a_stroke_more,
    start,
    watch,
    finish_now,
    predict_the_test_image,
    compare_with_its_ground_truth,
    correct_and_train_on,
)


def headings() -> list[str]:
    """Names of the functions that the page asks for."""
    found = re.findall(r"^## (\d+)\. (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [int(number) for number, _ in found] == list(range(1, len(found) + 1))
    return [re.sub(r"\W+", "_", title.lower()) for _, title in found]


def test_each_step_of_the_page_has_a_function() -> None:
    assert headings() == [step.__name__ for step in STEPS]


@pytest.mark.slow
def test_the_tutorial(qtbot, make_napari_viewer_proxy, preferences, tmp_path) -> None:
    preferences.run_folder = str(tmp_path / "runs")
    viewer = make_napari_viewer_proxy(show=True)
    tutorial = Tutorial(qtbot=qtbot, viewer=viewer)
    for step in STEPS:
        step(tutorial)
