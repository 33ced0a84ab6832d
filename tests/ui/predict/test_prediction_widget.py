from __future__ import annotations

import gc
import shutil
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QFileDialog
from tests.training.tasks import disks
from tests.ui.predictions import WAIT, choose, opened, predicted, trained

from napari_segtrain import predict
from napari_segtrain.config import InferenceConfig, PredictedObjectsConfig
from napari_segtrain.ui.predict import prediction_run
from napari_segtrain.ui.predict.prediction_widget import PredictionWidget
from napari_segtrain.ui.session import session_of
from napari_segtrain.ui.widgets.forms.number_box import NumberBox


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """A folder with a model of one channel and one of two."""
    folder = tmp_path_factory.mktemp("runs")
    trained(folder / "disks")
    trained(folder / "two", n_channels=2)
    return folder


def labels_of(viewer: ViewerModel) -> list[str]:
    return [x.name for x in viewer.layers if type(x).__name__ == "Labels"]


def test_the_newest_model_is_chosen(qtbot, viewer, models: Path, preferences) -> None:
    preferences.run_folder = str(models)
    widget = opened(qtbot, viewer)
    qtbot.waitUntil(lambda: widget.model.path == models / "two", timeout=WAIT)
    widget.model.list.select(models / "disks")
    assert widget.model.path == models / "disks"


def test_a_model_that_another_dock_chose(
    qtbot, viewer, models: Path, folder: Path
) -> None:
    session_of(viewer).choose_model(models / "disks")
    widget = opened(qtbot, viewer)
    qtbot.waitUntil(lambda: widget.model.path == models / "disks", timeout=WAIT)
    choose(qtbot, widget, viewer, models / "two/model")
    assert widget.model.info.n_channels == 2


def test_a_model_from_a_file_dialog(
    qtbot, viewer, models: Path, folder: Path, monkeypatch
) -> None:
    widget = opened(qtbot, viewer)
    chosen = str(models / "disks/model/model.yaml")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (chosen, ""))
    widget.model.file_button.click()
    qtbot.waitUntil(lambda: widget.model.path == models / "disks/model", timeout=WAIT)
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda *_: str(models / "two")
    )
    widget.model.folder_button.click()
    qtbot.waitUntil(lambda: widget.model.path == models / "two", timeout=WAIT)


def dropped(widget: PredictionWidget, path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(9, 9),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    widget.dropEvent(event)


def test_a_model_that_is_dropped(qtbot, viewer, models: Path, folder: Path) -> None:
    widget = opened(qtbot, viewer)
    dropped(widget, models / "disks")
    qtbot.waitUntil(lambda: widget.model.path == models / "disks", timeout=WAIT)
    (folder / "images").mkdir()
    dropped(widget, folder / "images")
    qtbot.waitUntil(lambda: bool(widget.messages.text), timeout=WAIT)
    assert "images cannot be used for prediction" in widget.messages.text
    assert widget.model.path == models / "disks"


def test_images_follow_the_viewer(qtbot, viewer, folder: Path) -> None:
    widget = opened(qtbot, viewer)
    names = [layer.name for layer, _ in widget.images.checked()]
    assert names == ["cells"]
    other = viewer.add_image(np.zeros((3, 40, 50, 3), np.uint8), name="other", rgb=True)
    viewer.add_labels(np.zeros((40, 50), np.uint8))
    assert [x.name for x in widget.images.layers()] == ["other", "cells"]
    assert widget.images.axes_of(other) == "ZYXC"
    viewer.layers["cells"].name = "renamed"
    assert widget.images.item(1, 0).text() == "renamed"
    assert widget.images.checked() == [(other, "ZYXC")]
    widget.images.item(1, 0).setCheckState(Qt.CheckState.Checked)
    assert len(widget.images.checked()) == 2
    viewer.add_image(np.zeros((40, 50), np.uint8), name="third")
    assert len(widget.images.checked()) == 2
    viewer.layers.remove("renamed")
    assert widget.images.checked() == [(other, "ZYXC")]


def test_axes_are_a_string_to_change(qtbot, viewer, folder: Path) -> None:
    widget = opened(qtbot, viewer)
    layer = viewer.add_image(np.zeros((2, 40, 50), np.uint8), name="two")
    widget.images.check([layer])
    widget.images.item(0, 1).setText("cyx")
    assert widget.images.checked() == [(layer, "CYX")]
    widget.images.item(0, 1).setText("")
    assert widget.images.checked() == [(layer, "ZYX")]


def test_several_images_one_after_another(
    qtbot, viewer, models: Path, folder: Path
) -> None:
    other = viewer.add_image(disks((70, 60), 9)[0], name="other")
    widget = opened(qtbot, viewer, models / "disks")
    widget.images.check([viewer.layers["cells"], other])
    predicted(qtbot, widget)
    assert labels_of(viewer) == ["other segmentation", "cells segmentation"]
    assert widget.controls.state.text().startswith("Done: 2 images in")


def test_channels_in_one_layer(qtbot, viewer, models: Path, folder: Path) -> None:
    widget = opened(qtbot, viewer)
    image, truth = disks((80, 90), 7)
    layer = viewer.add_image(np.stack([image, image]), name="both")
    widget.images.set_axes(layer, "CYX")
    widget.images.check([layer])
    choose(qtbot, widget, viewer, models / "two")
    assert widget.sources.channels_box.currentIndex() == 0
    predicted(qtbot, widget)
    result = viewer.layers["both segmentation"]
    assert (result.data == truth).mean() > 0.97


def test_channels_are_guessed_for_a_model_that_takes_several(
    qtbot, viewer, models: Path, folder: Path
) -> None:
    image, truth = disks((80, 90), 7)
    layer = viewer.add_image(np.stack([image, image]), name="both")
    widget = opened(qtbot, viewer, models / "disks")
    widget.images.check([layer])
    assert widget.images.checked() == [(layer, "ZYX")]
    choose(qtbot, widget, viewer, models / "two")
    assert widget.images.checked() == [(layer, "CYX")]
    assert widget.sources.channels_box.currentIndex() == 0
    predicted(qtbot, widget)
    assert (viewer.layers["both segmentation"].data == truth).mean() > 0.97


def test_channels_as_several_layers(qtbot, viewer, models: Path, folder: Path) -> None:
    image, truth = disks((80, 90), 7)
    viewer.add_image(image, name="more cells")
    widget = opened(qtbot, viewer, models / "two")
    assert widget.sources.channels_box.currentText() == "One layer for each channel"
    (row,) = widget.sources.rows.rows()
    assert {choice.layer().name for choice in row.choices} == {"cells", "more cells"}
    predicted(qtbot, widget)
    (name,) = labels_of(viewer)
    assert (viewer.layers[name].data == truth).mean() > 0.97
    widget.sources.rows.add_button.click()
    assert len(widget.sources.rows.sources()) == 2
    widget.sources.rows.rows()[1].remove_button.click()
    assert len(widget.sources.rows.sources()) == 1


def test_a_frame_of_a_movie(qtbot, viewer, models: Path, folder: Path) -> None:
    movie = np.stack([disks((3, 60, 50), seed)[0] for seed in range(4)])
    layer = viewer.add_image(movie, name="movie")
    widget = opened(qtbot, viewer, models / "disks")
    widget.images.check([layer])
    widget.images.set_axes(layer, "TZYX")
    assert widget.scope.frames_box.itemText(0) == "All times"
    widget.scope.frames_box.setCurrentIndex(1)
    viewer.dims.set_current_step(0, 2)
    predicted(qtbot, widget)
    data = viewer.layers["movie segmentation"].data
    assert [bool(frame.any()) for frame in data] == [False, False, True, False]


def test_choices_that_an_image_does_not_have_are_not_shown(
    qtbot, viewer, models: Path, folder: Path
) -> None:
    widget = opened(qtbot, viewer, models / "disks")
    widget.show()
    assert widget.scope.area_box.isVisible()
    assert not widget.scope.shapes_choice.isVisible()
    assert not widget.scope.slices_box.isVisible()
    layer = viewer.add_image(np.zeros((4, 40, 50), np.uint8), name="stack")
    widget.images.check([layer])
    assert widget.scope.slices_box.isVisible()
    assert not widget.scope.frames_box.isVisible()
    assert not widget.scope.level_box.isVisible()


def test_progress_cancel_and_what_is_done(
    qtbot, viewer, models: Path, folder: Path
) -> None:
    stack = np.stack([disks((512, 512), n)[0] for n in range(2)] * 30)
    layer = viewer.add_image(stack, name="stack")
    widget = opened(qtbot, viewer, models / "disks")
    widget.images.check([layer])
    widget.show()
    widget.controls.start_button.click()
    run = widget.run
    assert widget.controls.stop_button.isVisible()
    assert not widget.controls.start_button.isVisible()
    assert widget.controls.state.text() == "Loading the model"
    qtbot.waitUntil(lambda: "%" in widget.controls.state.text(), timeout=WAIT)
    qtbot.waitUntil(lambda: bool(labels_of(viewer)), timeout=WAIT)
    assert not viewer.layers["stack segmentation"].editable
    widget.controls.stop_button.click()
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert "marked incomplete" in widget.controls.state.text()
    result = viewer.layers["stack segmentation (incomplete)"]
    assert result.editable
    assert result.data.any()
    assert not result.data.any(axis=(1, 2)).all()
    assert not result.metadata["segtrain"]["result"]["is_complete"]
    assert widget.controls.start_button.isVisible()
    widget.images.check([viewer.layers["cells"]])
    predicted(qtbot, widget)
    assert widget.controls.state.text().startswith("Done: cells")


def test_an_incomplete_result_is_completed(
    qtbot, viewer, models: Path, folder: Path
) -> None:
    widget = opened(qtbot, viewer, models / "disks")
    widget.controls.start_button.click()
    widget.run.stop()
    qtbot.waitUntil(lambda: not widget.run.is_running, timeout=WAIT)
    predicted(qtbot, widget)
    assert labels_of(viewer) == ["cells segmentation"]


def test_the_slice_that_is_looked_at_comes_first(
    qtbot, viewer, models: Path, folder: Path
) -> None:
    stack = np.stack([disks((256, 256), n)[0] for n in range(2)] * 20)
    layer = viewer.add_image(stack, name="stack")
    widget = opened(qtbot, viewer, models / "disks")
    widget.images.check([layer])
    viewer.dims.set_current_step(0, 31)
    seen = []

    def look() -> None:
        for name in labels_of(viewer):
            data = viewer.layers[name].data
            seen.append((bool(data[31].any()), bool(data[-1].any())))

    widget.controls.start_button.click()
    widget.run.changed.connect(look)
    qtbot.waitUntil(lambda: not widget.run.is_running, timeout=WAIT)
    assert seen
    assert all(is_there for is_there, _ in seen)
    assert seen[0] == (True, False)


def test_editing_while_it_is_painted_stops_the_painting(
    qtbot, viewer, models: Path, folder: Path
) -> None:
    stack = np.stack([disks((512, 512), n)[0] for n in range(2)] * 30)
    layer = viewer.add_image(stack, name="stack")
    widget = opened(qtbot, viewer, models / "disks")
    widget.images.check([layer])
    widget.controls.start_button.click()
    qtbot.waitUntil(lambda: bool(labels_of(viewer)), timeout=WAIT)
    result = viewer.layers["stack segmentation"]
    result.data_setitem((np.array([0]), np.array([0]), np.array([0])), 1)
    result.data[59] = 1
    edited = result.data[59].copy()
    qtbot.waitUntil(lambda: not widget.run.is_running, timeout=WAIT)
    np.testing.assert_array_equal(result.data[59], edited)
    assert "was edited while it was made" in widget.messages.text
    widget.scope.slices_box.setCurrentText("Current slice")
    predicted(qtbot, widget)
    assert len(labels_of(viewer)) == 2


def test_layers_come_and_go_during_a_prediction(
    qtbot, viewer, models: Path, folder: Path
) -> None:
    """The result lies where its source lay last."""
    stack = np.stack([disks((256, 256), n)[0] for n in range(2)] * 10)
    layer = viewer.add_image(stack, name="stack")
    widget = opened(qtbot, viewer, models / "disks")
    widget.images.check([layer, viewer.layers["cells"]])
    widget.controls.start_button.click()
    layer.translate, layer.scale = (1, 2, 3), (3, 1, 1)
    layer.name = "moved"
    viewer.layers.remove(layer)
    viewer.layers.remove("cells")
    viewer.add_image(stack[0], name="new")
    qtbot.waitUntil(lambda: not widget.run.is_running, timeout=WAIT)
    assert widget.messages.text == ""
    assert labels_of(viewer) == ["moved segmentation", "cells segmentation"]
    result = viewer.layers["moved segmentation"]
    assert result.translate.tolist() == [1, 2, 3]
    assert result.scale.tolist() == [3, 1, 1]


def test_a_result_that_is_removed_while_it_is_painted(
    qtbot, viewer, models: Path, folder: Path
) -> None:
    stack = np.stack([disks((256, 256), n)[0] for n in range(2)] * 20)
    layer = viewer.add_image(stack, name="stack")
    widget = opened(qtbot, viewer, models / "disks")
    widget.images.check([layer])
    widget.controls.start_button.click()
    qtbot.waitUntil(lambda: bool(labels_of(viewer)), timeout=WAIT)
    viewer.layers.remove("stack segmentation")
    qtbot.waitUntil(lambda: not widget.run.is_running, timeout=WAIT)
    assert labels_of(viewer) == []
    assert widget.messages.text == ""


def test_a_prediction_goes_on_without_its_dock(
    qtbot, viewer, models: Path, folder: Path
) -> None:
    stack = np.stack([disks((256, 256), n)[0] for n in range(2)] * 20)
    layer = viewer.add_image(stack, name="stack")
    first = opened(qtbot, viewer, models / "disks")
    first.images.check([layer])
    first.controls.start_button.click()
    run = first.run
    first.close()
    first.deleteLater()
    second = opened(qtbot, viewer)
    assert second.run is run
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert second.controls.state.text().startswith("Done: stack")
    assert labels_of(viewer) == ["stack segmentation"]


def test_a_model_is_read_once(
    qtbot, viewer, models: Path, folder: Path, monkeypatch
) -> None:
    from napari_segtrain.workflows import models as workflow

    own = Path(shutil.copytree(models / "disks", folder / "own"))
    read = []
    load = workflow.load_model
    monkeypatch.setattr(workflow, "load_model", lambda p: read.append(p) or load(p))
    widget = opened(qtbot, viewer, own)
    predicted(qtbot, widget)
    predicted(qtbot, widget)
    assert read == [own]
    (own / "model/weights.safetensors").touch()
    predicted(qtbot, widget)
    assert read == [own, own]


def test_preferences_and_settings(
    qtbot, viewer, models: Path, folder: Path, preferences
) -> None:
    preferences.device, preferences.memory_limit = "cpu", 2.5
    widget = opened(qtbot, viewer, models / "disks")
    predicted(qtbot, widget)
    config = widget.run.order.config
    assert (config.device, config.memory_limit) == ("cpu", 2.5)
    assert config.probabilities == "none"
    widget.form.set_config(InferenceConfig(overlap=0.25, memory_limit=3))
    widget.maps_box.setChecked(True)
    predicted(qtbot, widget)
    config = widget.run.order.config
    assert (config.overlap, config.memory_limit) == (0.25, 3)
    assert config.probabilities == "uint8"


def test_other_voxels_are_warned_about(qtbot, viewer, folder: Path) -> None:
    model = trained(folder / "sized", data={"voxel_size": (0.5, 0.5)})
    widget = opened(qtbot, viewer, model)
    assert widget.note.text == ""
    layer = viewer.layers["cells"]
    layer.scale, layer.units = (1.0, 1.0), ("um", "um")
    widget.images.check([layer])
    assert "1 × 1 µm" in widget.note.text
    assert "trained on 0.5 × 0.5 µm" in widget.note.text
    predicted(qtbot, widget)
    layer.scale = (0.6, 0.6)
    widget.images.check([layer])
    assert widget.note.text == ""


def test_the_level_nearest_to_the_training_is_proposed(
    qtbot, viewer, folder: Path
) -> None:
    model = trained(folder / "sized", data={"voxel_size": (0.5, 0.5)})
    image, _ = disks((160, 180), 7)
    levels = [image, image[::2, ::2], image[::4, ::4]]
    layer = viewer.add_image(
        levels, name="pyramid", multiscale=True, scale=(0.26, 0.26), units="um"
    )
    widget = opened(qtbot, viewer, model)
    widget.images.check([layer])
    assert widget.scope.level == 1
    predicted(qtbot, widget)
    result = viewer.layers["pyramid segmentation"]
    assert result.data.shape == (80, 90)
    np.testing.assert_allclose(result.scale, 0.52)


def test_objects(qtbot, viewer, folder: Path) -> None:
    model = trained(folder / "objects", data={"target": "instances"})
    widget = opened(qtbot, viewer, model)
    predicted(qtbot, widget)
    result = viewer.layers["cells segmentation"]
    expected = predict(model, viewer.layers["cells"].data).labels.array
    assert expected.max() > 3
    np.testing.assert_array_equal(result.data, expected)


def test_settings_of_objects(qtbot, viewer, models: Path, folder: Path) -> None:
    model = trained(
        folder / "objects", data={"target": "instances"}, objects={"min_voxels": 5}
    )
    widget = opened(qtbot, viewer, model)
    widget.form.unfold_all()
    boxes = {b.accessibleName(): b for b in widget.form.findChildren(NumberBox)}
    box = boxes["smallest object (voxels)"]
    assert box.lineEdit().placeholderText() == "auto (5)"
    assert box.isVisibleTo(widget.form)
    qtbot.keyClicks(box.lineEdit(), "150")
    qtbot.keyClicks(boxes["smoothing"].lineEdit(), "1")
    predicted(qtbot, widget)
    image = viewer.layers["cells"].data
    changes = {"min_voxels": 150, "smoothing": 1}
    expected = predict(model, image, objects=changes).labels.array
    result = viewer.layers["cells segmentation"].data
    np.testing.assert_array_equal(result, expected)
    assert result.max() < predict(model, image).labels.array.max()
    choose(qtbot, widget, viewer, models / "disks")
    assert not box.isVisibleTo(widget.form)
    predicted(qtbot, widget)
    assert widget.run.order.config == InferenceConfig()


def test_settings_that_a_model_of_objects_has_no_use_for(
    qtbot, viewer, folder: Path
) -> None:
    model = trained(
        folder / "pieces",
        data={"target": "instances"},
        objects={"target": "foreground"},
    )
    widget = opened(qtbot, viewer, model)
    changes = PredictedObjectsConfig(prominence=0.3)
    widget.form.set_config(InferenceConfig(objects=changes))
    assert "each connected piece is an object" in widget.note.text
    widget.controls.start_button.click()
    assert widget.run is None
    assert "objects.prominence" in widget.messages.text


def test_the_dock_loads_no_torch() -> None:
    code = (
        "import sys; import napari_segtrain.ui.predict.prediction_widget;"
        "print({'torch', 'monai'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "set()"


def test_layers_are_not_drawn_for_every_block(
    qtbot, viewer, models: Path, folder: Path, monkeypatch
) -> None:
    """They are drawn by a timer, here one that never comes to it, and at the end."""
    monkeypatch.setattr(prediction_run, "REFRESH_MS", 1_000_000)
    stack = np.stack([disks((64, 64), n)[0] for n in range(2)] * 40)
    layer = viewer.add_image(stack, name="stack")
    widget = opened(qtbot, viewer, models / "disks")
    widget.images.check([layer])
    drawn: list[object] = []
    viewer.layers.events.inserted.connect(
        lambda event: event.value.events.set_data.connect(drawn.append)
    )
    predicted(qtbot, widget)
    assert viewer.layers["stack segmentation"].data[-1].any()
    assert 0 < len(drawn) < 8


def test_a_dock_is_gone_without_the_collector(qtbot, viewer, folder: Path) -> None:
    """What only the collector frees may be closed a second time by others."""
    widget = PredictionWidget(viewer)
    reference = weakref.ref(widget)
    gc.collect()
    gc.disable()
    try:
        widget.images.check([viewer.layers["cells"]])
        widget.deleteLater()
        del widget
        qtbot.wait(50)
        assert reference() is None
    finally:
        gc.enable()
