"""The Objects dock in a real viewer, on bundled 3D labels."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels, Surface
from qtpy.compat import isalive
from qtpy.QtCore import Qt

from napari_segtrain.config import SeparationConfig
from napari_segtrain.ui import sample_data
from napari_segtrain.ui.objects.objects_widget import ObjectsWidget
from napari_segtrain.ui.objects.preview_layer import find_preview

WAIT = 60_000


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    """Nuclei of the embryo without their ids, and their image."""
    viewer = make_napari_viewer_proxy()
    for data, attributes, kind in sample_data.embryo()[-2:]:
        if kind == "labels":
            place = {key: attributes[key] for key in ("scale", "units")}
            mask = (np.asarray(data) > 0).astype(np.uint8)
            viewer.add_layer(Labels(mask, name="nuclei", **place))
        else:
            viewer.add_image(data, **attributes)
    return viewer


@pytest.fixture
def dock(qtbot, viewer):
    _, widget = viewer.window.add_plugin_dock_widget("napari-segtrain", "Objects")
    assert isinstance(widget, ObjectsWidget)
    yield widget
    if isalive(widget):
        widget.end()
        qtbot.waitUntil(lambda: not widget.is_running, timeout=WAIT)
        qtbot.waitUntil(lambda: not widget.preview.is_busy, timeout=WAIT)


def test_nuclei_are_previewed_made_and_shown(qtbot, viewer, dock) -> None:
    assert dock.form.layer() is viewer.layers["nuclei"].__wrapped__
    config = SeparationConfig(method="distances", min_voxels=100)
    dock.form.settings.set_config(config)
    dock.preview_box.setChecked(True)
    qtbot.waitUntil(lambda: find_preview(viewer) is not None, timeout=WAIT)
    with qtbot.waitSignal(dock.ended, timeout=WAIT):
        qtbot.mouseClick(dock.make_button, Qt.MouseButton.LeftButton)
    assert find_preview(viewer) is None
    layer = viewer.layers["objects of nuclei"]
    n_objects = len(dock.objects.rows)
    assert n_objects == layer.data.max() > 1
    assert {row["unit"] for row in dock.objects.rows} == {"um"}
    for y in range(min(n_objects, 4)):
        dock.view.table.selectRow(y)
        row = dock.objects.rows[y]
        at = tuple((row[f"{a}_from"] + row[f"{a}_to"] - 1) / 2 for a in "zyx")
        assert viewer.dims.current_step[0] == round(at[0])
        world = np.array(layer.data_to_world(at))[1:]
        np.testing.assert_allclose(viewer.scene.camera.center[-2:], world)
        assert layer.selected_label == row["label"]
    with qtbot.waitSignal(dock.outputs.made, timeout=WAIT) as made:
        dock.outputs.add_surface()
    assert isinstance(made.args[0], Surface)
    qtbot.waitUntil(lambda: not dock.outputs.is_running, timeout=WAIT)


def test_a_closed_dock_leaves_no_preview(qtbot, viewer, dock) -> None:
    dock.preview_box.setChecked(True)
    qtbot.waitUntil(lambda: find_preview(viewer) is not None, timeout=WAIT)
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: not isalive(dock), timeout=WAIT)
    assert find_preview(viewer) is None
    viewer.dims.set_current_step(0, 3)


def test_a_layer_that_goes_while_objects_are_made(qtbot, viewer, dock) -> None:
    dock.make()
    viewer.layers.remove("nuclei")
    qtbot.waitUntil(lambda: not dock.is_running, timeout=WAIT)
    assert "removed" in dock.messages.text
    assert "objects of nuclei" not in viewer.layers
