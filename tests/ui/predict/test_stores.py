"""Results that go into stores on the disk, and fill in as layers."""

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.training.tasks import disks
from tests.ui.predictions import WAIT, opened, predicted, trained

from napari_segtrain import predict
from napari_segtrain.config import VolumeConfig
from napari_segtrain.errors import OutputError
from napari_segtrain.inference import fit, preview
from napari_segtrain.ui.layers.results import is_result
from napari_segtrain.ui.predict import prediction_run
from napari_segtrain.ui.predict.result_box import MEMORY, STORE

BLOCK = (16, 64, 64)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    trained(folder / "disks")
    trained(folder / "objects", data={"target": "instances"})
    return folder


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    stack = np.stack([disks((150, 170), n)[0] for n in range(4)])
    viewer.add_image(stack, name="cells", scale=(3, 2, 2), translate=(5, 6, 7))
    return viewer


def in_stores(qtbot, viewer, model: Path, folder: Path):
    widget = opened(qtbot, viewer, model)
    widget.result.kind_box.setCurrentIndex(STORE)
    widget.result.folder_edit.setText(str(folder / "out"))
    widget.result.form.set_config(VolumeConfig(block_size=BLOCK))
    return widget


def names(viewer) -> list[str]:
    return [layer.name for layer in viewer.layers]


def test_the_same_labels_as_in_memory(qtbot, viewer, models, folder) -> None:
    image = viewer.layers["cells"]
    widget = in_stores(qtbot, viewer, models / "disks", folder)
    predicted(qtbot, widget)
    assert widget.run.failure is None
    assert widget.run.stores == [folder / "out/cells.ome.zarr"]
    layer = viewer.layers["cells segmentation"]
    expected = predict(models / "disks", image.data, axes="ZYX", device="cpu")
    found = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    np.testing.assert_array_equal(found, expected.labels.array)
    assert found.any()
    assert not layer.editable
    np.testing.assert_allclose(layer.scale, image.scale)
    np.testing.assert_allclose(layer.translate, image.translate)
    assert is_result(layer)  # so that it is not offered as an image
    assert widget.images.layers() == [image]


def test_layers_fill_in_and_what_is_between_goes(
    qtbot, viewer, models, folder, monkeypatch
) -> None:
    """Objects are made when all blocks are there; the foreground is shown before."""
    widget = in_stores(qtbot, viewer, models / "objects", folder)
    seen = []

    def look(event) -> None:
        seen.append((names(viewer), viewer.layers[-1].name))

    monkeypatch.setattr(
        prediction_run.PredictionRun,
        "_refresh_stores",
        lambda _, event: look(event),
    )
    predicted(qtbot, widget)
    assert widget.run.failure is None
    assert (["cells", "cells foreground"], "cells foreground") in seen
    assert names(viewer) == ["cells", "cells segmentation"]
    assert np.asarray(viewer.layers["cells segmentation"].data[0]).max() > 2


def test_it_goes_on_and_others_get_a_number(qtbot, viewer, models, folder) -> None:
    widget = in_stores(qtbot, viewer, models / "disks", folder)
    predicted(qtbot, widget)
    predicted(qtbot, widget)  # complete already
    assert widget.run.stores == [folder / "out/cells.ome.zarr"]
    widget.maps_box.setChecked(True)  # another result
    predicted(qtbot, widget)
    store = folder / "out/cells-2.ome.zarr"
    maps = folder / "out/probabilities" / store.name
    assert widget.run.stores == [maps, store]
    found = [name for name in names(viewer) if "probabilities" in name]
    assert len(found) == 2
    assert sum("segmentation" in name for name in names(viewer)) == 2


def test_a_stop_keeps_what_is_done(qtbot, viewer, models, folder) -> None:
    stack = np.stack([disks((400, 400), n)[0] for n in range(2)] * 20)
    layer = viewer.add_image(stack, name="large")
    widget = in_stores(qtbot, viewer, models / "disks", folder)
    widget.images.check([layer])
    widget.controls.start_button.click()
    run = widget.run
    qtbot.waitUntil(lambda: run.progress is not None, timeout=WAIT)
    widget.controls.stop_button.click()
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert run.failure is None
    (labels,) = [name for name in names(viewer) if name.startswith("large ")]
    assert labels == "large segmentation (incomplete)"
    predicted(qtbot, widget)
    assert widget.run.stores == run.stores
    found = viewer.layers["large segmentation"].data
    expected = predict(models / "disks", stack, axes="ZYX", device="cpu")
    found = np.asarray(found[0] if isinstance(found, list | tuple) else found)
    np.testing.assert_array_equal(found, expected.labels.array)


def test_what_is_too_large_for_memory_goes_into_stores(
    qtbot, viewer, models, folder, monkeypatch
) -> None:
    widget = opened(qtbot, viewer, models / "disks")
    assert widget.result.kind_box.currentIndex() == MEMORY
    monkeypatch.setattr(fit, "_MEMORY_SHARE", 0.0)
    widget.maps_box.setChecked(True)
    assert widget.result.kind_box.currentIndex() == STORE
    widget.result.kind_box.setCurrentIndex(MEMORY)
    widget.maps_box.setChecked(False)
    assert widget.result.kind_box.currentIndex() == MEMORY


def test_a_part_goes_into_its_blocks(qtbot, viewer, models, folder) -> None:
    widget = in_stores(qtbot, viewer, models / "disks", folder)
    shapes = np.array([[10, 10], [10, 40], [40, 40], [40, 10]])
    viewer.add_shapes([shapes * 2 + (6, 7)], shape_type="polygon", name="here")
    widget.scope.area_box.setCurrentIndex(2)
    predicted(qtbot, widget)
    data = viewer.layers["cells segmentation"].data
    found = np.asarray(data[0] if isinstance(data, list | tuple) else data)
    assert found[:, :64, :64].any()
    assert not found[:, 64:].any()
    assert not found[:, :, 64:].any()


@pytest.mark.parametrize(
    ("folder_text", "words"),
    [("here", "give a whole path"), ("{tmp}/file", "is a file")],
)
def test_folders_that_cannot_be(
    qtbot, viewer, models, folder, folder_text, words
) -> None:
    (folder / "file").write_text("")
    widget = in_stores(qtbot, viewer, models / "disks", folder)
    widget.result.folder_edit.setText(folder_text.format(tmp=folder))
    widget.controls.start_button.click()
    assert words in widget.messages.text


def test_one_time_of_several(qtbot, models, folder) -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((3, 2, 64, 64), np.uint8), name="movie")
    widget = in_stores(qtbot, viewer, models / "disks", folder)
    widget.images.set_axes(viewer.layers["movie"], "TZYX")
    widget.scope.frames_box.setCurrentIndex(1)
    predicted(qtbot, widget)
    assert "A store holds all of 'movie'" in widget.messages.text


def test_a_folder_that_cannot_be_written(
    qtbot, viewer, models, folder, monkeypatch
) -> None:
    def refused(*_args, **_kwargs) -> None:
        raise PermissionError(13, "Permission denied", str(folder / "out"))

    monkeypatch.setattr(Path, "mkdir", refused)
    widget = in_stores(qtbot, viewer, models / "disks", folder)
    predicted(qtbot, widget)
    assert str(folder / "out") in widget.messages.text
    assert names(viewer) == ["cells"]


def test_results_in_memory_stay_those_of_memory(qtbot, viewer, models, folder) -> None:
    widget = opened(qtbot, viewer, models / "disks")
    predicted(qtbot, widget)
    first = viewer.layers["cells segmentation"]
    widget.result.kind_box.setCurrentIndex(STORE)
    widget.result.folder_edit.setText(str(folder / "out"))
    predicted(qtbot, widget)
    widget.result.kind_box.setCurrentIndex(MEMORY)
    predicted(qtbot, widget)
    assert sum("segmentation" in name for name in names(viewer)) == 2
    assert first in viewer.layers


def test_channels_behind_the_slices(qtbot, models, folder, tmp_path) -> None:
    model = trained(tmp_path / "two", n_channels=2)
    viewer = ViewerModel()
    stack = np.stack([disks((80, 90), n)[0] for n in range(3)])
    viewer.add_image(np.stack([stack, stack], axis=1), name="cells")
    widget = in_stores(qtbot, viewer, model, folder)
    widget.images.set_axes(viewer.layers["cells"], "ZCYX")
    widget.form.set_config(
        widget.form.config().model_copy(update={"uncertainty": "entropy"})
    )
    widget.maps_box.setChecked(True)
    predicted(qtbot, widget)
    assert widget.run.failure is None
    for layer in viewer.layers[1:]:
        assert layer.data.shape == (3, 1, 80, 90), layer.name
    assert len(viewer.layers) == 1 + 2 + 1 + 1
    expected = predict(model, viewer.layers["cells"].data, axes="ZCYX", device="cpu")
    found = np.asarray(viewer.layers["cells segmentation"].data)
    np.testing.assert_array_equal(found[:, 0], expected.labels.array)


def test_blocks_outside_of_the_shapes_are_left_empty(
    qtbot, viewer, models, folder
) -> None:
    widget = in_stores(qtbot, viewer, models / "disks", folder)
    corners = np.array([[2, 2], [2, 168], [12, 168], [12, 12], [148, 12], [148, 2]])
    viewer.add_shapes([corners * 2 + (6, 7)], shape_type="polygon", name="an L")
    widget.scope.area_box.setCurrentIndex(2)
    predicted(qtbot, widget)
    found = np.asarray(viewer.layers["cells segmentation"].data)
    assert found[:, :64, 64:].any()
    assert found[:, 64:, :64].any()
    assert not found[:, 64:, 64:].any()  # inside the box around it


def test_images_that_differ_anywhere_have_stores_of_their_own(
    qtbot, models, folder
) -> None:
    viewer = ViewerModel()
    image = np.zeros((400, 400), np.float32)
    image[20:220, 200:380] = disks((200, 180), 3)[0]
    viewer.add_image(image, name="cells")
    widget = in_stores(qtbot, viewer, models / "disks", folder)
    predicted(qtbot, widget)
    first = widget.run.stores
    viewer.layers.clear()
    other = image.copy()
    other[300, 10] += 1
    viewer.add_image(other, name="cells")
    widget.images.check([viewer.layers["cells"]])
    predicted(qtbot, widget)
    assert widget.run.stores != first


@pytest.mark.parametrize("kind", ["disks", "objects"])
def test_a_part_of_the_view_is_there_before_the_store(
    qtbot, viewer, models, folder, monkeypatch, kind
) -> None:
    """And goes when the first block is there."""
    monkeypatch.setattr(preview, "MAX_VOXELS", {2: 1 << 13, 3: 1 << 13})
    image, seen = viewer.layers["cells"], []
    viewer.dims.set_point(0, 5 + 3 * 2)
    shown = prediction_run.PredictionRun._show_stores  # noqa: SLF001

    def look(run, event) -> None:
        if not seen:
            seen.append([layer for layer in viewer.layers if layer is not image])
            assert not list((folder / "out").glob("*/segtrain.json"))
        shown(run, event)

    monkeypatch.setattr(prediction_run.PredictionRun, "_show_stores", look)
    predicted(qtbot, in_stores(qtbot, viewer, models / kind, folder))
    ((part,),) = seen
    assert part.name == "cells preview"
    assert part.data.shape[0] == 1
    np.testing.assert_array_equal(part.data_to_world((0, 0, 0))[0], 5 + 3 * 2)
    expected = predict(models / kind, image.data, axes="ZYX", device="cpu").labels
    start = image.world_to_data(part.data_to_world((0, 0, 0)))
    z, y, x = (round(float(n)) for n in start)
    height, width = part.data.shape[1:]
    there = np.asarray(expected.array)[z : z + 1, y : y + height, x : x + width]
    assert part.data.any()
    if kind == "objects":
        assert np.mean((there > 0) == (part.data > 0)) > 0.8
    else:
        assert np.mean(there == part.data) > 0.98
    assert names(viewer) == ["cells", "cells segmentation"]
    predicted(qtbot, in_stores(qtbot, viewer, models / kind, folder))
    assert names(viewer) == ["cells", "cells segmentation"]


def test_a_preview_goes_when_the_prediction_fails(
    qtbot, viewer, models, folder, monkeypatch
) -> None:
    monkeypatch.setattr(preview, "MAX_VOXELS", {2: 1 << 13, 3: 1 << 13})

    def fail(*_given, **_options):
        raise OutputError("The disk is full.")

    monkeypatch.setattr("napari_segtrain.inference.volume.opening.open_volume", fail)
    widget = in_stores(qtbot, viewer, models / "disks", folder)
    predicted(qtbot, widget)
    assert "disk is full" in widget.run.failure.text
    assert names(viewer) == ["cells"]
