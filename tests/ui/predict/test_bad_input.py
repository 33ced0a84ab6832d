"""What cannot be predicted: one sentence in the dock, and the dock goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.devices import absent_device
from tests.training.tasks import disks
from tests.ui.predictions import WAIT, choose, opened, predicted, trained

from napari_segtrain.config import InferenceConfig
from napari_segtrain.inference.runtime import TorchRuntime
from napari_segtrain.ui.predict import prediction_work
from napari_segtrain.ui.predict.prediction_widget import PredictionWidget


@dataclass(frozen=True, eq=False)
class Scene:
    """A dock that could predict, before something is made wrong."""

    viewer: ViewerModel
    dock: PredictionWidget
    models: Path
    own: Path
    monkeypatch: pytest.MonkeyPatch

    def image(self, array: np.ndarray, axes: str | None = None) -> None:
        layer = self.viewer.add_image(array, name="bad")
        if axes is not None:
            self.dock.images.set_axes(layer, axes)
        self.dock.images.check([layer])


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    trained(folder / "disks")
    trained(folder / "two", n_channels=2)
    trained(folder / "volumes", dims=3)
    return folder


@pytest.fixture
def scene(qtbot, models, preferences, tmp_path: Path, monkeypatch) -> Scene:
    preferences.run_folder = str(tmp_path / "none")
    own = Path(shutil.copytree(models / "disks", tmp_path / "own"))
    viewer = ViewerModel()
    viewer.add_image(disks((80, 90), 7)[0], name="cells")
    dock = opened(qtbot, viewer, own)
    return Scene(viewer, dock, models, own, monkeypatch)


def no_layer(scene: Scene, _choose) -> None:
    scene.viewer.layers.clear()


def nothing_checked(scene: Scene, _choose) -> None:
    scene.dock.images.check([])


def too_few_channels(scene: Scene, choose_model) -> None:
    choose_model("two")


def too_many_channels(scene: Scene, _choose) -> None:
    scene.image(np.zeros((3, 60, 60), np.uint8), "CYX")


def a_plane_for_volumes(scene: Scene, choose_model) -> None:
    choose_model("volumes")


def axes_that_do_not_fit(scene: Scene, _choose) -> None:
    scene.image(np.zeros((3, 60, 60), np.uint8), "YX")


def axes_without_x(scene: Scene, _choose) -> None:
    scene.image(np.zeros((3, 60, 60), np.uint8), "TZY")


def axes_twice(scene: Scene, _choose) -> None:
    scene.image(np.zeros((3, 60, 60), np.uint8), "YYX")


def nan(scene: Scene, _choose) -> None:
    image = np.zeros((60, 60), np.float32)
    image[30, 30] = np.nan
    scene.image(image)


def deleted_model(scene: Scene, _choose) -> None:
    shutil.rmtree(scene.own)


def damaged_model(scene: Scene, _choose) -> None:
    weights = scene.own / "model/weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)


def no_memory_for_tiles(scene: Scene, _choose) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    scene.monkeypatch.setattr(TorchRuntime, "_probabilities", fail)


def no_memory_for_the_result(scene: Scene, _choose) -> None:
    scene.dock.form.set_config(InferenceConfig(memory_limit=1e-6))


def no_memory_at_all(scene: Scene, _choose) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise MemoryError

    scene.monkeypatch.setattr(prediction_work, "ResultCanvas", fail)


def a_device_that_is_not_there(scene: Scene, _choose) -> None:
    scene.dock.form.set_config(InferenceConfig(device=absent_device()))


def a_halo_that_fills_the_tile(scene: Scene, _choose) -> None:
    scene.dock.form.set_config(InferenceConfig(tile_size=(1, 8, 8), halo=(0, 8, 8)))


CASES: dict[Callable[[Scene, object], None], str] = {
    no_layer: "No image is chosen|open an image",
    nothing_checked: "No image is chosen|check it",
    too_few_channels: "trained on 2 channels|cells has 1 channel|another model",
    too_many_channels: "trained on 1 channel|bad has 3 channels|another model",
    a_plane_for_volumes: "segments volumes|axes YX|2D model",
    axes_that_do_not_fit: "'YX' name 2 dimensions|bad|has 3|one letter per dimension",
    axes_without_x: "'TZY'|lack Y or X",
    axes_twice: "'YYX'|different letters",
    nan: "NaN or infinite|replace them",
    deleted_model: "no model at|own",
    damaged_model: "do not match their checksum|copy the model again",
    no_memory_for_tiles: "fits in memory|smaller network",
    no_memory_for_the_result: "needs|can be used|range of slices",
    no_memory_at_all: "Memory ran out|close other programs",
    a_device_that_is_not_there: f"'{absent_device()}'|only",
    a_halo_that_fills_the_tile: "halo|8",
}


@pytest.mark.parametrize("spoil", CASES, ids=lambda case: case.__name__)
def test_one_sentence_and_on_it_goes(qtbot, scene: Scene, spoil) -> None:
    dock, viewer = scene.dock, scene.viewer

    def choose_model(name: str) -> None:
        choose(qtbot, dock, viewer, scene.models / name)

    dock.show()
    spoil(scene, choose_model)
    before = list(viewer.layers)
    dock.controls.start_button.click()
    qtbot.waitUntil(lambda: dock.run is None or not dock.run.is_running, timeout=WAIT)
    text = dock.messages.text
    assert dock.messages.level == "error"
    for words in CASES[spoil].split("|"):
        assert words in text
    assert text.count("\n") == 0
    assert len(text) < 400
    assert "Traceback" not in text
    assert list(viewer.layers) == before
    assert dock.controls.start_button.isVisible()
    assert dock.controls.start_button.isEnabled()
    assert not dock.controls.bar.isVisible()
    recover(qtbot, scene)


def recover(qtbot, scene: Scene) -> None:
    """Put everything right, and predict."""
    scene.monkeypatch.undo()
    dock, viewer = scene.dock, scene.viewer
    dock.form.set_config(InferenceConfig())
    layer = viewer.add_image(disks((80, 90), 8)[0], name="good")
    dock.images.check([layer])
    choose(qtbot, dock, viewer, scene.models / "disks")
    predicted(qtbot, dock)
    assert dock.messages.text == ""
    assert viewer.layers["good segmentation"].data.any()


def test_no_model(qtbot, preferences, tmp_path: Path) -> None:
    preferences.run_folder = str(tmp_path)
    viewer = ViewerModel()
    viewer.add_image(disks((80, 90), 7)[0], name="cells")
    dock = opened(qtbot, viewer)
    assert "No model is chosen" in dock.note.text
    dock.controls.start_button.click()
    assert "No model is chosen" in dock.messages.text
    assert "Train dock" in dock.messages.text
    assert dock.run is None


def test_a_run_without_a_model(qtbot, scene: Scene) -> None:
    shutil.rmtree(scene.own / "model")
    shutil.rmtree(scene.own / "checkpoints")
    scene.dock.model.choose(scene.own)
    qtbot.waitUntil(lambda: bool(scene.dock.messages.text), timeout=WAIT)
    assert "no model yet" in scene.dock.messages.text


def test_the_second_image_is_bad(qtbot, scene: Scene) -> None:
    """The first stays, and the sentence names the second."""
    image = np.full((60, 60), np.inf, np.float32)
    bad = scene.viewer.add_image(image, name="bad")
    scene.viewer.layers.move(1, 0)
    scene.dock.images.check([scene.viewer.layers["cells"], bad])
    scene.dock.controls.start_button.click()
    run = scene.dock.run
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert scene.dock.messages.text.startswith("bad: ")
    assert "cells segmentation" in scene.viewer.layers
    assert "bad segmentation" not in scene.viewer.layers


def test_a_bad_slice_leaves_what_is_done_marked_incomplete(qtbot, scene: Scene) -> None:
    stack = np.stack([disks((80, 90), n)[0] for n in range(4)]).astype(np.float32)
    stack[3, 40, 40] = np.nan
    scene.image(stack)
    scene.dock.form.set_config(InferenceConfig(batch_size=1))
    scene.dock.controls.start_button.click()
    run = scene.dock.run
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert "NaN" in scene.dock.messages.text
    result = scene.viewer.layers["bad segmentation (incomplete)"]
    assert result.editable
    assert result.data[0].any()
    assert not result.data[3].any()


def test_a_defect_ends_with_details(qtbot, scene: Scene) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise RuntimeError("a screw is loose")

    scene.monkeypatch.setattr(prediction_work, "frame_of", fail)
    scene.dock.controls.start_button.click()
    run = scene.dock.run
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert "a screw is loose" in scene.dock.messages.text
    assert "Traceback" in scene.dock.messages.details
    recover(qtbot, scene)
