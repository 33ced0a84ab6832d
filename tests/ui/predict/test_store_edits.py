"""Labels in stores, painted on and saved."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from tests.ui.predictions import WAIT

from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.inference.volume.work_folder import REPORT, write_report
from napari_segtrain.io.edited_labels import EditedLabels
from napari_segtrain.io.pyramids import (
    Content,
    PyramidWriter,
    create_pyramid,
    plan_layout,
)
from napari_segtrain.ui.classes.class_metadata import read_class_table
from napari_segtrain.ui.layers.result_stores import result_layers
from napari_segtrain.ui.layers.results import store_result
from napari_segtrain.ui.predict import store_editing, store_edits
from napari_segtrain.ui.predict.edit_bar import EditBar
from napari_segtrain.ui.predict.store_editing import editable_store, edited_of
from napari_segtrain.ui.predict.store_edits import edits_of
from napari_segtrain.ui.session import session_of

SHAPE = (20, 600, 700)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "cells.ome.zarr"
    layout = plan_layout("ZYX", (), SHAPE, (16, 256, 256), (0.4, 0.1, 0.1))
    rows = (
        ClassInfo(0, "background", "#000000", "background"),
        ClassInfo(2, "cell", "#ff0000"),
    )
    table = ClassTable(rows)
    content = Content("labels", "uint8", "cells", (0.4, 0.1, 0.1), classes=table)
    create_pyramid(path, layout, content)
    writer = PyramidWriter(path, layout, "labels")
    box = (slice(0, 16), slice(0, 256), slice(0, 256))
    writer.write((), box, np.full((16, 256, 256), 2, np.uint8))
    write_report([path], {})
    return path


@pytest.fixture
def viewer(store) -> ViewerModel:
    viewer = ViewerModel()
    ((data, options, _),) = result_layers(store)
    layer = viewer.add_labels(data, **options)
    store_result(layer, store=str(store), layer_id=str(layer.unique_id))
    viewer.layers.selection.active = layer
    return viewer


def levels(store: Path) -> list[np.ndarray]:
    group = zarr.open_group(str(store), mode="r")
    return [group[str(level)][...] for level in range(2)]


def edit(qtbot, viewer):
    bar = EditBar(viewer)
    qtbot.addWidget(bar)
    bar.show()
    n_layers = len(viewer.layers)
    bar.edit_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) > n_layers, timeout=WAIT)
    return bar, viewer.layers.selection.active


def saved(qtbot, bar, layer) -> None:
    qtbot.waitUntil(bar.save_button.isEnabled, timeout=WAIT)
    bar.save_button.click()
    array = edited_of(layer)
    edits = edits_of(bar._session)  # noqa: SLF001
    qtbot.waitUntil(lambda: not edits.is_saving(array), timeout=WAIT)


def test_what_is_painted_is_saved_at_all_resolutions(qtbot, viewer, store) -> None:
    before = levels(store)
    bar, layer = edit(qtbot, viewer)
    assert layer.name == "cells (edited)"
    assert not viewer.layers["cells"].visible
    assert not layer.multiscale
    np.testing.assert_allclose(layer.scale, (0.4, 0.1, 0.1))
    assert read_class_table(layer).names == ("background", "cell")
    viewer.dims.set_current_step(0, 4)
    layer.brush_size = 9
    layer.paint((4, 300, 400), 2)
    layer.paint((4, 10, 10), 0)
    assert edited_of(layer).n_changed == 2
    qtbot.waitUntil(lambda: "2 blocks" in bar.state.text(), timeout=WAIT)
    np.testing.assert_array_equal(levels(store)[0], before[0])  # not yet
    saved(qtbot, bar, layer)
    assert layer.editable
    assert bar.state.text() == "No unsaved edits"
    fine, coarse = levels(store)
    assert fine[4, 300, 400] == 2
    assert fine[4, 10, 10] == 0
    assert (fine != before[0]).sum() == 2 * (layer.data[4, 296:305, 396:405] == 2).sum()
    steps = [-(-a // b) for a, b in zip(fine.shape, coarse.shape, strict=True)]
    z, y, x = steps
    np.testing.assert_array_equal(coarse, fine[::z, ::y, ::x])


def test_undo_reaches_the_store(qtbot, viewer, store) -> None:
    before = levels(store)[0]
    bar, layer = edit(qtbot, viewer)
    with layer.block_history():  # as a stroke of the mouse
        layer.paint((4, 300, 400), 2)
    saved(qtbot, bar, layer)
    assert levels(store)[0][4, 300, 400] == 2
    layer.undo()
    assert layer.data[4, 300, 400] == 0
    saved(qtbot, bar, layer)
    np.testing.assert_array_equal(levels(store)[0], before)


def test_edits_are_saved_by_themselves(qtbot, viewer, store, monkeypatch) -> None:
    monkeypatch.setattr(store_edits, "IDLE_MS", 50)
    _, layer = edit(qtbot, viewer)
    layer.paint((4, 300, 400), 2)
    qtbot.waitUntil(lambda: levels(store)[0][4, 300, 400] == 2, timeout=WAIT)


def test_edits_of_a_layer_that_is_removed_are_saved(qtbot, viewer, store) -> None:
    bar, layer = edit(qtbot, viewer)
    layer.paint((4, 300, 400), 2)
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: levels(store)[0][4, 300, 400] == 2, timeout=WAIT)
    qtbot.waitUntil(
        lambda: not edits_of(session_of(viewer))._arrays,  # noqa: SLF001 - no leak
        timeout=WAIT,
    )
    viewer.layers.selection.active = viewer.layers["cells"]
    assert bar.edit_button.isVisible()


def test_the_end_of_the_program_saves(qtbot, qapp, viewer, store) -> None:
    _, layer = edit(qtbot, viewer)
    layer.paint((4, 300, 400), 2)
    qapp.aboutToQuit.emit()
    assert levels(store)[0][4, 300, 400] == 2


def test_a_large_slice_is_edited_where_it_is_looked_at(
    qtbot, viewer, store, monkeypatch
) -> None:
    monkeypatch.setattr(store_editing, "_MAX_SLICE_BYTES", 1000)
    viewer.canvas.size = (100, 200)
    viewer.scene.camera.center = (0, 35, 45)
    viewer.scene.camera.zoom = 10
    bar, layer = edit(qtbot, viewer)
    assert layer.data.shape == (20, 101, 201)
    viewer.dims.set_current_step(0, 4)
    layer.paint(layer.world_to_data((4 * 0.4, 35, 45)), 2)
    saved(qtbot, bar, layer)
    assert levels(store)[0][4, 350, 450] == 2


def test_a_disk_that_is_full_loses_nothing(qtbot, viewer, store, monkeypatch) -> None:
    bar, layer = edit(qtbot, viewer)
    layer.paint((4, 300, 400), 2)
    failures = []
    bar.failed.connect(failures.append)

    def full(*_args) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PyramidWriter, "_put", full)
        saved(qtbot, bar, layer)
        qtbot.waitUntil(lambda: bool(failures), timeout=WAIT)
    assert "No space left" in failures[0].text or "full" in failures[0].text
    assert layer.data[4, 300, 400] == 2
    saved(qtbot, bar, layer)
    assert levels(store)[0][4, 300, 400] == 2


def test_other_layers_have_no_bar(qtbot, viewer) -> None:
    bar = EditBar(viewer)
    qtbot.addWidget(bar)
    viewer.add_labels(np.zeros((4, 5), np.uint8), name="plain")
    viewer.layers.selection.active = viewer.layers["plain"]
    assert bar.isHidden()


@pytest.mark.parametrize(
    "key",
    [
        (3, 5, 7),
        (slice(2, 5), slice(100, 300), slice(None)),
        (..., slice(0, 3)),
        (slice(1, 2),),
        (-1, slice(-5, None), slice(-700, 9999)),
        (4, np.array([-1, 7]), slice(0, 50)),
        (slice(0, 20, 3), slice(5, 300, 100), 4),
        (np.array([0, 19]), np.array([5, 599]), np.array([0, 699])),
    ],
    ids=str,
)
def test_it_is_written_into_as_an_array_is(store, key) -> None:
    array, plain = EditedLabels(store), levels(store)[0]
    array[key] = 3
    plain[key] = 3
    np.testing.assert_array_equal(array, plain)
    np.testing.assert_array_equal(array[key], plain[key])
    array.save()
    assert array.n_changed == 0
    np.testing.assert_array_equal(levels(store)[0], plain)
    np.testing.assert_array_equal(array, plain)


def test_painting_goes_on_while_it_is_saved(store, monkeypatch) -> None:
    array, plain = EditedLabels(store), levels(store)[0]
    array[2, 3, 4] = 0
    real = PyramidWriter.write

    def write(self, *args) -> None:
        array[2, 300, 5] = 2  # in another block
        array[2, 5, 5] = 0  # in the one that is being written
        real(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(PyramidWriter, "write", write)
        assert array.save() == 1
    assert array.n_changed == 2
    assert (array[2, 300, 5], array[2, 5, 5]) == (2, 0)
    assert levels(store)[0][2, 300, 5] == 0
    assert array.save() == 2
    plain[2, 3, 4] = plain[2, 5, 5] = 0
    plain[2, 300, 5] = 2
    np.testing.assert_array_equal(levels(store)[0], plain)
    np.testing.assert_array_equal(array, plain)


def test_a_mask_is_written_and_saved(store) -> None:
    array, plain = EditedLabels(store), levels(store)[0]
    mask = np.zeros(SHAPE, bool)
    mask[18, 590:, 3] = mask[2, 3, 4] = True
    array[mask] = 7
    plain[mask] = 7
    np.testing.assert_array_equal(array[mask], 7)
    array.save()
    np.testing.assert_array_equal(levels(store)[0], plain)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ((20, 0, 0), "outside of an axis of 20"),
        ((0, np.array([-601]), 0), "outside of an axis of 600"),
        ((0, 0, 0, 0), "4 indices do not fit 3"),
        (np.zeros((2, 2), bool), "a mask of"),
        ((slice(5, 0, -1),), "backwards"),
        ((0, "a", 0), "no index"),
    ],
    ids=str,
)
def test_other_keys_are_refused(store, key, words) -> None:
    array = EditedLabels(store)
    with pytest.raises(IndexError, match=words):
        array[key] = 1
    with pytest.raises(IndexError, match=words):
        array[key]
    assert array.n_changed == 0


def test_two_saves_at_once_save_everything(store, monkeypatch) -> None:
    array, plain = EditedLabels(store), levels(store)[0]
    array[:, :, :50] = plain[:, :, :50] = 5
    real, others = PyramidWriter.write, []

    def write(self, *args) -> None:
        if not others:
            others.append(threading.Thread(target=array.save))
            others[0].start()
            time.sleep(0.2)  # the other is at it, or waits
        real(self, *args)

    monkeypatch.setattr(PyramidWriter, "write", write)
    array.save()
    others[0].join()
    np.testing.assert_array_equal(levels(store)[0], plain)
    assert array.n_changed == 0


def test_an_axis_that_the_store_lacks(store) -> None:
    array, plain = EditedLabels(store, axes="ZCYX"), levels(store)[0]
    assert array.shape == (20, 1, 600, 700)
    array[17, 0, 300:, 5] = plain[17, 300:, 5] = 4
    array.save()
    np.testing.assert_array_equal(levels(store)[0], plain)
    np.testing.assert_array_equal(array[:, 0], plain)


def test_a_store_that_is_being_predicted_is_not_edited(qtbot, viewer, store) -> None:
    (store / REPORT).unlink()
    assert editable_store(viewer.layers["cells"]) is None
    bar = EditBar(viewer)
    qtbot.addWidget(bar)
    assert bar.isHidden()


def test_what_is_painted_while_it_is_saved_is_saved_without_a_viewer(
    qtbot, viewer, store, monkeypatch
) -> None:
    _, layer = edit(qtbot, viewer)
    array = edited_of(layer)
    array[2, 3, 4] = 0
    real = PyramidWriter.write

    def write(self, *args) -> None:
        if array.n_writes == 1:
            array[2, 300, 5] = 2
        real(self, *args)

    monkeypatch.setattr(PyramidWriter, "write", write)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: levels(store)[0][2, 300, 5] == 2, timeout=WAIT)
    assert levels(store)[0][2, 3, 4] == 0
