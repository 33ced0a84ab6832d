"""The Objects dock with the layers of a viewer, without a window."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points, Shapes, Surface
from qtpy.QtCore import Qt

from napari_segtrain.config import SeparationConfig
from napari_segtrain.objects.separation import separate_objects
from napari_segtrain.ui.objects import separation_source
from napari_segtrain.ui.objects.objects_widget import ObjectsWidget
from napari_segtrain.ui.objects.preview_layer import find_preview

SCALE = (0.5, 0.2, 0.2)


def balls() -> np.ndarray:
    """Two balls that touch, a small one, and one at the border."""
    z, y, x = np.mgrid[:16, :50, :60]

    def ball(center, radius: float) -> np.ndarray:
        a, b, c = center
        return (2.5 * (z - a)) ** 2 + (y - b) ** 2 + (x - c) ** 2 <= radius**2

    mask = ball((8, 25, 18), 11) | ball((8, 25, 38), 11) | ball((8, 5, 55), 3)
    return (mask | ball((8, 48, 5), 6)).astype(np.uint8)


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    image = (balls() * 100).astype(np.uint16)
    viewer.add_layer(Image(image, name="stain", scale=SCALE, units="um"))
    viewer.add_layer(Labels(balls(), name="vesicles", scale=SCALE, units="um"))
    return viewer


@pytest.fixture
def dock(qtbot, viewer):
    widget = ObjectsWidget(viewer)
    qtbot.addWidget(widget)
    widget.resize(400, 900)
    widget.show()
    yield widget
    widget.end()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=20_000)
    qtbot.waitUntil(lambda: not widget.preview.is_busy, timeout=20_000)


def make(qtbot, dock: ObjectsWidget) -> None:
    with qtbot.waitSignal(dock.ended, timeout=30_000):
        qtbot.mouseClick(dock.make_button, Qt.MouseButton.LeftButton)


def objects_of(viewer) -> Labels:
    return next(layer for layer in viewer.layers if layer.name.startswith("objects of"))


def test_objects_are_made_and_measured(qtbot, viewer, dock) -> None:
    dock.form.settings.set_config(SeparationConfig(method="distances", min_voxels=60))
    dock.form.image_choice.set_layer(viewer.layers["stain"])
    make(qtbot, dock)
    layer = objects_of(viewer)
    config = SeparationConfig(method="distances", min_voxels=60)
    expected = separate_objects(balls() == 1, config, spacing=SCALE)
    np.testing.assert_array_equal(layer.data, expected)
    np.testing.assert_allclose(layer.scale, SCALE)
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
    assert dock.messages.text == ""
    assert len(dock.objects.rows) == 3
    features = layer.features
    assert features["index"].tolist() == [1, 2, 3]
    volumes = np.bincount(expected.ravel())[1:] * 0.5 * 0.2 * 0.2
    np.testing.assert_allclose(features["volume"], volumes)
    np.testing.assert_allclose(features["mean_image"], 100)
    assert "3 objects" in dock.view.title.text()


def test_a_row_shows_its_object_and_a_label_its_row(qtbot, viewer, dock) -> None:
    make(qtbot, dock)
    layer = objects_of(viewer)
    dock.view.table.selectRow(1)
    row = dock.objects.rows[1]
    assert layer.selected_label == row["label"]
    middle = (row["z_from"] + row["z_to"] - 1) // 2
    assert viewer.dims.current_step[0] == middle
    center = np.array(viewer.scene.camera.center)[-2:] / 0.2
    assert center[0] == pytest.approx((row["y_from"] + row["y_to"] - 1) / 2)
    layer.selected_label = dock.objects.rows[2]["label"]
    chosen = {index.row() for index in dock.view.table.selectedIndexes()}
    assert chosen == {2}
    assert viewer.dims.current_step[0] == middle


def test_the_table_is_sorted_by_numbers(qtbot, dock) -> None:
    make(qtbot, dock)
    table = dock.view.table
    titles = table.text().splitlines()[0].split("\t")
    column = titles.index("voxels")
    table.sortByColumn(column, Qt.SortOrder.DescendingOrder)
    lines = [line.split("\t") for line in table.text().splitlines()[1:]]
    sizes = [int(line[column]) for line in lines]
    assert sizes == sorted(sizes, reverse=True)
    spheric = titles.index("sphericity")
    table.sortByColumn(spheric, Qt.SortOrder.DescendingOrder)
    lines = [line.split("\t") for line in table.text().splitlines()[1:]]
    assert lines[-1][spheric] == ""


def test_objects_made_again_take_the_place_of_the_first(qtbot, viewer, dock) -> None:
    make(qtbot, dock)
    first = objects_of(viewer)
    dock.form.settings.set_config(SeparationConfig(drop_border=True))
    make(qtbot, dock)
    assert objects_of(viewer) is first
    assert sum(x.name.startswith("objects of") for x in viewer.layers) == 1
    assert first.data.max() == 2


def test_a_preview_follows_the_settings_and_the_slice(qtbot, viewer, dock) -> None:
    viewer.dims.set_current_step(0, 8)
    dock.preview_box.setChecked(True)
    qtbot.waitUntil(lambda: find_preview(viewer) is not None, timeout=20_000)
    qtbot.waitUntil(lambda: not dock.preview.is_busy, timeout=20_000)
    layer = find_preview(viewer)
    assert layer.data.max() == 3
    np.testing.assert_allclose(layer.translate[0], 8 * 0.5)
    with qtbot.waitSignal(dock.preview.shown, timeout=20_000):
        dock.form.settings.set_config(SeparationConfig(method="distances"))
    qtbot.waitUntil(lambda: not dock.preview.is_busy, timeout=20_000)
    assert find_preview(viewer).data.max() == 4
    with qtbot.waitSignal(dock.preview.shown, timeout=20_000):
        viewer.dims.set_current_step(0, 0)
    assert find_preview(viewer).data.max() == 0
    assert "above and below" in dock.preview_note.text()
    dock.preview_box.setChecked(False)
    assert find_preview(viewer) is None


def test_the_preview_is_not_offered(qtbot, viewer, dock) -> None:
    dock.preview_box.setChecked(True)
    qtbot.waitUntil(lambda: find_preview(viewer) is not None, timeout=20_000)
    assert find_preview(viewer) not in dock.form.layer_choice.layers()
    assert dock.form.layer().name == "vesicles"


def test_probabilities_become_objects(qtbot, viewer, dock) -> None:
    maps = np.stack([1.0 - balls(), balls() * 0.8]).astype(np.float32)
    viewer.add_layer(Image(maps, name="maps", scale=(1, *SCALE), units="um"))
    dock.form.layer_choice.set_layer(viewer.layers["maps"])
    assert dock.form.map_choice.currentText() == "map 1"
    make(qtbot, dock)
    layer = objects_of(viewer)
    assert layer.data.shape == balls().shape
    np.testing.assert_allclose(layer.scale, SCALE)
    assert len(dock.objects.rows) == 3


def test_items_of_a_series_are_measured_one_by_one(qtbot, viewer, dock) -> None:
    series = np.stack([balls(), np.zeros_like(balls())])
    viewer.add_layer(Labels(series, name="series", scale=(1, *SCALE)))
    dock.form.layer_choice.set_layer(viewer.layers["series"])
    make(qtbot, dock)
    assert objects_of(viewer).data.shape == series.shape
    assert {row["t"] for row in dock.objects.rows} == {0}


def test_tables_are_saved(qtbot, dock, tmp_path: Path) -> None:
    make(qtbot, dock)
    dock.ask_path = lambda: tmp_path / "o.csv"
    dock.save()
    qtbot.waitUntil(lambda: "Saved" in dock.messages.text, timeout=20_000)
    with (tmp_path / "o.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["label"]) for row in rows] == [
        row["label"] for row in dock.objects.rows
    ]
    assert (tmp_path / "o_density.csv").exists()


def test_what_goes_wrong_is_said(qtbot, viewer, dock, monkeypatch) -> None:
    monkeypatch.setattr(separation_source, "MAX_VOXELS", 100)
    dock.make()
    assert "48,000 voxels" in dock.messages.text
    monkeypatch.undo()
    viewer.add_layer(Image(np.zeros((9, 9)), name="small"))
    dock.form.image_choice.set_layer(viewer.layers["small"])
    make(qtbot, dock)
    assert "give the image that" in dock.messages.text
    viewer.layers.clear()
    dock.make()
    assert "no layer to make objects of" in dock.messages.text


def test_nothing_found_is_no_error(qtbot, viewer, dock) -> None:
    dock.form.settings.set_config(SeparationConfig(min_voxels=10**6))
    make(qtbot, dock)
    assert "0 objects" in dock.view.title.text()
    assert dock.view.table.isHidden()
    assert objects_of(viewer).data.max() == 0


def test_outlines_centers_and_surfaces_are_layers(qtbot, viewer, dock) -> None:
    make(qtbot, dock)
    ids = objects_of(viewer)
    for button, kind in (
        (dock.outputs.outlines_button, Shapes),
        (dock.outputs.centers_button, Points),
        (dock.outputs.surface_button, Surface),
    ):
        with qtbot.waitSignal(dock.outputs.made, timeout=60_000) as made:
            qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        layer = made.args[0]
        assert isinstance(layer, kind)
        assert layer in viewer.layers
        low, high = np.array(layer.extent.world)
        inner = np.array(ids.extent.world)
        assert (low >= inner[0] - 1).all()
        assert (high <= inner[1] + 1).all()
        qtbot.waitUntil(lambda: not dock.outputs.is_running)


def test_outlines_come_back_as_labels(qtbot, viewer, dock, tmp_path: Path) -> None:
    make(qtbot, dock)
    ids = np.asarray(objects_of(viewer).data)
    for name in ("o.geojson", "o.zip"):
        dock.ask_path = lambda name=name: tmp_path / name
        dock.messages.clear()
        dock.save()
        qtbot.waitUntil(lambda: "Saved" in dock.messages.text, timeout=20_000)
        dock.outputs.ask_path = lambda name=name: tmp_path / name
        with qtbot.waitSignal(dock.outputs.made, timeout=60_000) as made:
            dock.outputs.read_outlines()
        np.testing.assert_array_equal(made.args[0].data, ids)
        np.testing.assert_allclose(made.args[0].scale, SCALE)
        qtbot.waitUntil(lambda: not dock.outputs.is_running)


def test_objects_are_counted_in_shapes(qtbot, viewer, dock) -> None:
    make(qtbot, dock)
    left = np.array([[0, 0], [0, 30], [50, 30], [50, 0]]) * 0.2
    viewer.add_layer(Shapes([left], shape_type="polygon", name="regions", units="um"))
    dock.outputs.shapes_choice.set_layer(viewer.layers["regions"])
    with qtbot.waitSignal(dock.outputs.counted, timeout=20_000) as counted:
        dock.outputs.count()
    counts = {row["shape"]: row["n_objects"] for row in counted.args[0]}
    inside = sum(row["center_x"] < 30 * 0.2 for row in dock.objects.rows)
    assert counts == {"outside": len(dock.objects.rows) - inside, "shape 1": inside}


def test_shapes_become_labels(qtbot, viewer, dock) -> None:
    square = np.array([[4, 10, 10], [4, 10, 20], [4, 20, 20], [4, 20, 10]]) * SCALE
    viewer.add_layer(Shapes([square], shape_type="polygon", name="cells", units="um"))
    dock.outputs.shapes_choice.set_layer(viewer.layers["cells"])
    with qtbot.waitSignal(dock.outputs.made, timeout=20_000) as made:
        dock.outputs.fill_shapes()
    data = made.args[0].data
    assert data.shape == balls().shape
    assert data[4, 15, 15] == 1
    assert not data[[3, 5]].any()
    qtbot.waitUntil(lambda: not dock.outputs.is_running)


def test_shapes_at_a_time_count_that_time(qtbot, viewer, dock) -> None:
    series = np.stack([balls(), balls() * 0, balls()])
    viewer.add_layer(Labels(series, name="series"))
    dock.form.layer_choice.set_layer(viewer.layers["series"])
    make(qtbot, dock)
    square = np.array([[0, 0], [0, 60], [50, 60], [50, 0]])
    corners = np.column_stack([np.full(4, 2), np.full(4, 8), square])
    viewer.add_layer(Shapes([corners], shape_type="polygon", name="frame"))
    dock.outputs.shapes_choice.set_layer(viewer.layers["frame"])
    with qtbot.waitSignal(dock.outputs.counted, timeout=20_000) as counted:
        dock.outputs.count()
    at = [row for row in dock.objects.rows if row["t"] == 2]
    n = sum(round(row["center_z"]) == 8 for row in at)
    assert {(r["t"], r["shape"]): r["n_objects"] for r in counted.args[0]} == {
        (2, "outside"): len(at) - n,
        (2, "shape 1"): n,
    }
    assert n > 0
    qtbot.waitUntil(lambda: not dock.outputs.is_running)


def test_a_layer_that_goes_leaves_the_table_as_it_was(qtbot, viewer, dock) -> None:
    make(qtbot, dock)
    before = dock.objects
    viewer.add_layer(Labels(balls() * 2, name="other"))
    dock.form.layer_choice.set_layer(viewer.layers["other"])
    dock.make()
    viewer.layers.remove("other")
    qtbot.waitUntil(lambda: not dock.is_running, timeout=20_000)
    assert dock.objects is before
    assert "was removed" in dock.messages.text
    assert "vesicles" in dock.view.title.text()


def test_what_is_painted_is_previewed(qtbot, viewer, dock) -> None:
    viewer.dims.set_current_step(0, 2)
    dock.preview_box.setChecked(True)
    qtbot.waitUntil(lambda: find_preview(viewer) is not None, timeout=20_000)
    qtbot.waitUntil(lambda: not dock.preview.is_busy, timeout=20_000)
    n = int(find_preview(viewer).data.max())
    with qtbot.waitSignal(dock.preview.shown, timeout=20_000):
        viewer.layers["vesicles"].data_setitem(
            tuple(np.full(9, 2) for _ in "z")
            + tuple(np.indices((3, 3)).reshape(2, -1)),
            1,
        )
    qtbot.waitUntil(lambda: not dock.preview.is_busy, timeout=20_000)
    assert find_preview(viewer).data.max() == n + 1


def test_an_empty_layer_has_an_empty_preview(qtbot, viewer, dock) -> None:
    viewer.add_layer(Labels(np.zeros((20, 30), np.uint8), name="empty"))
    dock.form.layer_choice.set_layer(viewer.layers["empty"])
    with qtbot.waitSignal(dock.preview.shown, timeout=20_000):
        dock.preview_box.setChecked(True)
    assert "0 objects" in dock.preview_note.text()
    make(qtbot, dock)
    assert "0 objects" in dock.view.title.text()


def test_colors_are_no_probabilities(qtbot, viewer, dock) -> None:
    viewer.add_layer(Image(np.zeros((9, 9, 3), np.uint8), name="rgb", rgb=True))
    dock.form.layer_choice.set_layer(viewer.layers["rgb"])
    dock.make()
    assert "RGB" in dock.messages.text
