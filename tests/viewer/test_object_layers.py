"""Layers of objects in a real viewer."""

from __future__ import annotations

import numpy as np
import pytest
from tests.objects.touching import touching_balls

from napari_segtrain.ui.layers.drawn_objects import drawn_objects
from napari_segtrain.ui.layers.object_layers import (
    object_mesh,
    object_source,
    outline_layer,
    point_layer,
    surface_layer,
)
from napari_segtrain.ui.worker import start_job

pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")


def layers_of(source):
    mesh = object_mesh(source)
    outlines = outline_layer(source, tolerance=0.7)
    return outlines, point_layer(source), surface_layer(source, mesh)


@pytest.mark.parametrize("rotation", [0, 15])
def test_layers_are_made_in_a_thread_and_shown(make_napari_viewer, qtbot, rotation):
    viewer = make_napari_viewer(show=True)
    ids = touching_balls(shape=(8, 40, 40), spacing=(2, 1, 1), radius=8, n=4)
    labels = viewer.add_labels(
        ids, scale=(0.2, 0.1, 0.1), units="um", rotate=(0, 0, rotation)
    )
    ranges = viewer.dims.range
    source = object_source(labels)
    made = []
    task = start_job(lambda: layers_of(source), title="objects")
    task.succeeded.connect(made.extend)
    with qtbot.waitSignal(task.ended, timeout=60_000):
        pass
    for layer in made:
        viewer.add_layer(layer)
    for found, before in zip(viewer.dims.range, ranges, strict=True):
        np.testing.assert_allclose(found, before, atol=0.21)
    for z in range(len(ids)):
        viewer.dims.set_current_step(0, z)
        viewer.screenshot()
    viewer.dims.ndisplay = 3
    viewer.screenshot()
    ids_back = drawn_objects(made[0], labels, "ZYX").fill()
    assert np.mean(ids_back == ids) > 0.97
