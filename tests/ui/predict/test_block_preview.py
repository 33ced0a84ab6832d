"""Which blocks are left empty, before anything is predicted."""

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.ui.predictions import WAIT, opened, trained

from napari_segtrain.config import VolumeConfig
from napari_segtrain.ui.predict.result_box import STORE


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "disks")


@pytest.fixture
def viewer() -> ViewerModel:
    """A stack that is bright in its lower half only."""
    viewer = ViewerModel()
    stack = np.zeros((4, 128, 192), np.uint8)
    stack[:, 64:] = 100
    viewer.add_image(stack, name="cells", scale=(3, 2, 2), translate=(5, 6, 7))
    return viewer


def looked(qtbot, widget) -> None:
    widget.result.preview_button.click()
    qtbot.waitUntil(lambda: not widget.blocks.is_running, timeout=WAIT)


def in_blocks(qtbot, viewer, model, folder):
    widget = opened(qtbot, viewer, model)
    widget.result.kind_box.setCurrentIndex(STORE)
    widget.result.folder_edit.setText(str(folder / "out"))
    volume = VolumeConfig(block_size=(16, 64, 64), empty_below=50)
    widget.result.form.set_config(volume)
    return widget


def test_blocks_are_a_layer_that_lies_on_the_image(
    qtbot, viewer, model, folder
) -> None:
    widget = in_blocks(qtbot, viewer, model, folder)
    looked(qtbot, widget)
    assert "3 of 6 blocks would be left empty (0 outside of the area, 3 dark)" in (
        widget.messages.text
    )
    assert widget.messages.level == "info"
    layer = viewer.layers["cells blocks"]
    np.testing.assert_array_equal(layer.data, [[[3, 3, 3], [1, 1, 1]]])
    image = viewer.layers["cells"]
    first = image.data_to_world((1.5, 31.5, 31.5))  # middle of the first block
    np.testing.assert_allclose(layer.data_to_world((0, 0, 0)), first)
    last = image.data_to_world((1.5, 95.5, 159.5))
    np.testing.assert_allclose(layer.data_to_world((0, 1, 2)), last)
    assert not (folder / "out").exists()  # nothing is written
    widget.images.check([image])
    assert widget.images.layers() == [image]


def test_the_area_counts(qtbot, viewer, model, folder) -> None:
    widget = in_blocks(qtbot, viewer, model, folder)
    rectangle = np.array([[70, 10], [70, 50], [110, 50], [110, 10]]) * 2 + (6, 7)
    viewer.add_shapes([rectangle], shape_type="polygon", name="here")
    widget.scope.area_box.setCurrentIndex(2)
    looked(qtbot, widget)
    looked(qtbot, widget)  # shows it anew
    (layer,) = [each for each in viewer.layers if each.name == "cells blocks"]
    np.testing.assert_array_equal(layer.data, [[[2, 2, 2], [1, 2, 2]]])
    assert "5 outside of the area, 0 dark" in widget.messages.text


def test_a_flat_image(qtbot, model, folder) -> None:
    viewer = ViewerModel()
    image = np.zeros((128, 192), np.uint8)
    image[:, 130:] = 80
    viewer.add_image(image, name="flat")
    widget = in_blocks(qtbot, viewer, model, folder)
    looked(qtbot, widget)
    np.testing.assert_array_equal(
        viewer.layers["flat blocks"].data, [[3, 3, 1], [3, 3, 1]]
    )


def test_what_is_wrong_is_said(qtbot, viewer, model, folder) -> None:
    widget = in_blocks(qtbot, viewer, model, folder)
    widget.result.folder_edit.setText("nowhere")
    looked(qtbot, widget)
    assert "give a whole path" in widget.messages.text
