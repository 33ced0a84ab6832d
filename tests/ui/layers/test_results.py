"""Result layers, as predictions of the dock leave them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from tests.training.tasks import disks
from tests.ui.predictions import choose, opened, predicted, trained

from napari_segtrain.config import InferenceConfig
from napari_segtrain.ui.layers.reading import read_class_table
from napari_segtrain.ui.layers.results import find_result, is_result, result_of, run_of
from napari_segtrain.ui.layers.slice_jump import show_slice
from napari_segtrain.ui.predict import prediction_work, scope


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "disks")


@pytest.fixture
def viewer() -> ViewerModel:
    """A viewer with an image of disks."""
    viewer = ViewerModel()
    viewer.add_image(disks((80, 90), 7)[0], name="cells")
    return viewer


@pytest.fixture
def dock(qtbot, viewer, model, preferences, tmp_path: Path):
    preferences.run_folder = str(tmp_path)
    return opened(qtbot, viewer, model)


def names(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers]


def results(viewer: ViewerModel) -> list[Labels]:
    return [layer for layer in viewer.layers if isinstance(layer, Labels)]


def test_a_result_is_right_and_knows_where_it_is_from(
    qtbot, viewer, dock, model: Path
) -> None:
    predicted(qtbot, dock)
    (layer,) = results(viewer)
    assert layer.name == "cells segmentation"
    assert (layer.data == disks((80, 90), 7)[1]).mean() > 0.97
    found = result_of(layer)
    assert found is not None
    assert {key: found[key] for key in ("run", "model", "source", "kind")} == {
        "run": str(model),
        "model": str(model),
        "source": "cells",
        "kind": "segmentation",
    }
    assert found["is_complete"]
    table = read_class_table(layer)
    assert table is not None
    assert table.names == ("background", "foreground")
    assert list(layer.features["class"]) == ["background", "foreground"]
    assert layer.editable


def test_an_untouched_result_is_updated_in_place(qtbot, viewer, dock) -> None:
    predicted(qtbot, dock)
    layer, data = viewer.layers[-1], viewer.layers[-1].data
    n_added = []
    viewer.layers.events.inserted.connect(n_added.append)
    viewer.layers["cells"].data[:] = 0
    predicted(qtbot, dock)
    assert n_added == []
    assert layer.data is data
    assert not data.any()


def paint(layer: Labels) -> None:
    layer.paint((40, 40), 1)
    layer.paint((41, 41), 0)


def set_data(layer: Labels) -> None:
    layer.data = np.ones_like(layer.data)


def write_from_a_script(layer: Labels) -> None:
    layer.data[3, 4] += 1


@pytest.mark.parametrize("edit", [paint, set_data, write_from_a_script])
def test_proofread_labels_are_never_written_over(qtbot, viewer, dock, edit) -> None:
    predicted(qtbot, dock)
    (layer,) = results(viewer)
    edit(layer)
    edited = layer.data.copy()
    predicted(qtbot, dock)
    first, second = results(viewer)
    assert first is layer
    np.testing.assert_array_equal(layer.data, edited)
    assert second.data is not layer.data
    assert not np.array_equal(second.data, edited)
    predicted(qtbot, dock)
    assert len(results(viewer)) == 2


@pytest.mark.parametrize("is_edited", [False, True])
def test_nobody_paints_while_it_is_looked_at_whether_a_result_was_edited(
    qtbot, viewer, dock, monkeypatch, is_edited: bool
) -> None:
    predicted(qtbot, dock)
    (layer,) = results(viewer)
    if is_edited:
        layer.data[0, 0] = 1 - layer.data[0, 0]
    layer.mode = "paint"
    seen = []
    look = prediction_work.fingerprint_of

    def looked(labels):
        seen.append(layer.editable)
        return look(labels)

    monkeypatch.setattr(prediction_work, "fingerprint_of", looked)
    predicted(qtbot, dock)
    assert seen == [False]
    assert layer.editable
    assert len(results(viewer)) == 1 + is_edited
    assert (layer.mode == "paint") == is_edited


def test_undoing_all_edits_makes_a_result_untouched_again(qtbot, viewer, dock) -> None:
    predicted(qtbot, dock)
    (layer,) = results(viewer)
    layer.paint((40, 40), 1 - int(layer.data[40, 40]))
    layer.undo()
    predicted(qtbot, dock)
    assert len(results(viewer)) == 1


def test_renamed_and_moved_results_are_recognized(qtbot, viewer, dock) -> None:
    predicted(qtbot, dock)
    (layer,) = results(viewer)
    layer.name = "my favorite"
    viewer.layers["cells"].name = "renamed"
    viewer.layers.move(viewer.layers.index(layer), 0)
    layer.visible = False
    predicted(qtbot, dock)
    assert names(viewer) == ["my favorite", "renamed"]


def test_a_copy_of_a_result_is_nobodys(qtbot, viewer, dock) -> None:
    """A backup that the user made is not written into."""
    predicted(qtbot, dock)
    (layer,) = results(viewer)
    data, options, _ = layer.as_layer_data_tuple()
    copy = viewer.add_labels(data.copy(), **(options | {"name": "backup"}))
    viewer.layers.remove(layer)
    backup = copy.data.copy()
    viewer.layers["cells"].data[:] = 0
    predicted(qtbot, dock)
    assert len(results(viewer)) == 2
    np.testing.assert_array_equal(copy.data, backup)
    assert is_result(copy)
    assert result_of(copy) is None


def test_another_source_and_another_run_get_layers_of_their_own(
    qtbot, viewer, dock, model: Path, tmp_path: Path
) -> None:
    predicted(qtbot, dock)
    other = viewer.add_image(disks((80, 90), 8)[0], name="other")
    dock.images.check([other])
    predicted(qtbot, dock)
    copied = Path(shutil.copytree(model, tmp_path / "another run"))
    choose(qtbot, dock, viewer, copied)
    predicted(qtbot, dock)
    runs = [
        (result_of(x)["source"], Path(result_of(x)["run"]).name)
        for x in results(viewer)
    ]
    assert runs == [
        ("cells", "disks"), ("other", "disks"), ("other", "another run")
    ]  # fmt: skip


def test_models_of_one_run_are_a_family() -> None:
    run = Path("runs/axons")
    for path in (run, run / "model", run / "checkpoints/best.safetensors"):
        assert run_of(path) == run
    assert run_of(Path("runs/axons.zip")) == Path("runs/axons.zip")


def test_probability_maps_are_one_layer_with_the_classes_first(
    qtbot, viewer, dock
) -> None:
    dock.maps_box.setChecked(True)
    predicted(qtbot, dock)
    maps = viewer.layers["cells probabilities"]
    assert maps.data.shape == (2, 80, 90)
    assert maps.axis_labels[0] == "C"
    assert tuple(maps.contrast_limits) == (0, 255)
    np.testing.assert_array_equal(
        maps.data.argmax(axis=0), viewer.layers["cells segmentation"].data
    )
    np.testing.assert_allclose(maps.data.astype(int).sum(axis=0), 255, atol=1)
    data = maps.data
    predicted(qtbot, dock)
    assert viewer.layers["cells probabilities"].data is data
    assert len(viewer.layers) == 3
    assert [layer.name for layer, _ in dock.images.checked()] == ["cells"]
    assert dock.images.rowCount() == 1


def test_slices_of_a_volume_meet_in_one_layer(qtbot, viewer, dock) -> None:
    image, truth = disks((5, 80, 90), 3)
    layer = viewer.add_image(image, name="stack", axis_labels=("z", "y", "x"))
    dock.images.check([layer])
    dock.scope.slices_box.setCurrentText("Current slice")
    for z in (1, 3):
        viewer.dims.set_current_step(0, z)
        predicted(qtbot, dock)
    (result,) = results(viewer)
    assert result.data.shape == image.shape
    painted = [bool(plane.any()) for plane in result.data]
    assert painted == [False, True, False, True, False]
    assert (result.data[[1, 3]] == truth[[1, 3]]).mean() > 0.95
    table = read_class_table(result)
    assert table is not None
    assert table.zero == "painted-slices"
    dock.scope.slices_box.setCurrentText("All slices")
    predicted(qtbot, dock)
    assert all(plane.any() for plane in result.data)
    table = read_class_table(result)
    assert table is not None
    assert table.zero == "dense"


def test_slices_of_a_large_volume_get_a_layer_at_their_place(
    qtbot, viewer, dock, monkeypatch
) -> None:
    monkeypatch.setattr(scope, "MAX_WHOLE_BYTES", 1000)
    image, _ = disks((5, 80, 90), 3)
    layer = viewer.add_image(image, name="stack", scale=(4, 1, 1), translate=(9, 0, 0))
    dock.images.check([layer])
    dock.scope.slices_box.setCurrentText("Range")
    dock.scope.first_spin.setValue(2)
    dock.scope.last_spin.setValue(3)
    predicted(qtbot, dock)
    (result,) = results(viewer)
    assert result.data.shape == (2, 80, 90)
    assert result.translate.tolist() == [17, 0, 0]


def test_a_newer_model_of_the_run_clears_what_the_former_has_left(
    qtbot, viewer, dock, model: Path, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(model, tmp_path / "own"))
    choose(qtbot, dock, viewer, own)
    layer = viewer.add_image(disks((3, 80, 90), 3)[0], name="stack")
    dock.images.check([layer])
    dock.maps_box.setChecked(True)
    dock.scope.slices_box.setCurrentText("Current slice")
    show_slice(viewer, layer, 0, 0)
    predicted(qtbot, dock)
    (own / "model/model.yaml").touch()
    show_slice(viewer, layer, 0, 2)
    predicted(qtbot, dock)
    (result,) = results(viewer)
    assert [bool(plane.any()) for plane in result.data] == [False, False, True]
    maps = viewer.layers["stack probabilities"].data
    assert [bool(maps[:, z].any()) for z in range(3)] == [False, False, True]


def test_find_result_knows_the_kind(qtbot, viewer, dock) -> None:
    predicted(qtbot, dock)
    from napari_segtrain.ui.layers.results import Origin

    origin = Origin(viewer.layers["cells"], "YX", 0, dock.model.path)
    assert find_result(viewer, origin, "segmentation") is viewer.layers[-1]
    assert find_result(viewer, origin, "probabilities") is None


def test_uncertainty_is_a_layer_of_its_own_and_is_not_mixed(
    qtbot, viewer, dock
) -> None:
    layer = viewer.add_image(disks((3, 80, 90), 3)[0], name="stack")
    dock.images.check([layer])
    dock.scope.slices_box.setCurrentText("Current slice")
    for z, changes in (
        (0, {"uncertainty": "entropy"}),
        (1, {"uncertainty": "entropy"}),
        (2, {"uncertainty": "deviation", "orientations": 2}),
    ):
        dock.form.set_config(InferenceConfig(**changes))
        show_slice(viewer, layer, 0, z)
        predicted(qtbot, dock)
    entropy, deviation = (
        viewer.layers[f"stack {name}"].data for name in ("entropy", "deviation")
    )
    assert np.isfinite(entropy).all(axis=(1, 2)).tolist() == [True, True, False]
    assert np.isfinite(deviation).all(axis=(1, 2)).tolist() == [False, False, True]
    assert np.nanmax(entropy) > 0.1
    assert 0 < np.nanmax(deviation) <= 0.5
    for name, greatest in (("entropy", 255), ("deviation", 127.5)):
        shown = viewer.layers[f"stack {name}"]
        full = 255 if shown.data.dtype == np.uint8 else 1
        assert shown.contrast_limits == [0, greatest / 255 * full]
        assert shown.colormap.colors[0, :3].max() < 0.02, "0 adds no color"
    assert "Engine: torch" in dock.controls.state.text()


def test_a_spread_of_one_view_is_refused_before_the_start(qtbot, viewer, dock) -> None:
    dock.form.set_config(InferenceConfig(uncertainty="agreement"))
    dock.controls.start_button.click()
    assert "no agreement of a single prediction" in dock.messages.text
