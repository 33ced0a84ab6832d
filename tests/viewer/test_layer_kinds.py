"""Layers of every kind in a real viewer: labels, painting, samples, results."""

from __future__ import annotations

import itertools
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.layers import Image, Labels

from napari_segtrain.ui.classes.class_table import ClassTableWidget
from napari_segtrain.ui.layers.new_labels import add_stored_labels
from napari_segtrain.ui.layers.reading import guess_axes, result_axes, result_transform
from napari_segtrain.ui.layers.samples import SampleRow, to_dataset
from napari_segtrain.ui.session import session_of
from napari_segtrain.ui.train.sample_table import SampleTable

pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")

TURNED = {"rotate": 20, "scale": (2, 3), "shear": [0.3], "translate": (7, -5)}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)


def stored(folder: Any, *shape: int) -> zarr.Array:
    data = noise(*shape)
    chunks = (*(1 for _ in shape[:-2]), 16, 16)
    store = zarr.create_array(
        str(folder / "image.zarr"), shape=shape, dtype="uint8", chunks=chunks
    )
    store[:] = data
    return store


def build(kind: str, folder: Any) -> tuple[list[Image], str]:
    """Layers of one image, and its axes."""
    plain: dict[str, tuple[tuple[int, ...], dict[str, Any], str]] = {
        "2D": ((40, 50), {}, "YX"),
        "turned": ((40, 50), TURNED, "YX"),
        "3D": ((6, 40, 50), {"scale": (4, 0.5, 0.5), "units": "um"}, "ZYX"),
        "affine 3D": ((6, 40, 50), {"affine": np.diag([3, 0.5, 2, 1])}, "ZYX"),
        "series": ((5, 40, 50), {"axis_labels": ("t", "y", "x")}, "TYX"),
        "channels": ((2, 6, 40, 50), {"rgb": False}, "CZYX"),
        "inner channels": ((6, 2, 40, 50), {"rgb": False}, "ZCYX"),
        "everything": ((3, 2, 4, 40, 50), {"rgb": False}, "TCZYX"),
        "RGB": ((40, 50, 3), {"rgb": True}, "YXC"),
        "RGBA stack": ((6, 40, 50, 4), {"rgb": True}, "ZYXC"),
    }
    if kind in plain:
        shape, options, axes = plain[kind]
        return [Image(noise(*shape), name=kind, **options)], axes
    if kind == "several layers":
        names = ("actin", "dapi")
        return [Image(noise(6, 40, 50), name=name) for name in names], "ZYX"
    if kind == "multiscale":
        levels = [noise(6, 40, 50), noise(6, 20, 25)]
        return [Image(levels, multiscale=True, name=kind)], "ZYX"
    if kind == "dask":
        array = da.from_array(noise(6, 40, 50), chunks=(1, 20, 20))
        return [Image(array, name=kind)], "ZYX"
    return [Image(stored(folder, 6, 40, 50), name=kind)], "ZYX"


KINDS = (
    "2D", "turned", "3D", "affine 3D", "series", "channels", "inner channels",
    "everything", "RGB", "RGBA stack", "several layers", "multiscale", "dask", "zarr",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_paint_and_make_a_sample(make_napari_viewer_proxy, qtbot, tmp_path, kind):
    proxy = make_napari_viewer_proxy()
    viewer = session_of(proxy).viewer
    layers, axes = build(kind, tmp_path)
    for layer in layers:
        viewer.add_layer(layer)
    table = SampleTable(proxy)
    qtbot.addWidget(table)
    row = table.row_widgets()[0]
    row.image_choice.set_layer(layers[0])
    if len(layers) > 1:
        row.channels_button.set_layers(layers)
    assert row.axes_edit.text() == axes
    row.new_button.click()
    (labels,) = table.labels()
    middle = [size // 2 for size in labels.data.shape]
    labels.paint(middle, 2)
    assert table.problem() == ""

    (sample,) = to_dataset(table.rows()).samples
    assert sample.image.n_channels == {
        "channels": 2, "inner channels": 2, "everything": 2, "RGB": 3,
        "RGBA stack": 3, "several layers": 2,
    }.get(kind, 1)  # fmt: skip
    n_items = {"series": 5, "everything": 3}.get(kind, 1)
    assert len(to_dataset(table.rows()).pairs()) == n_items
    painted = np.argwhere(np.asarray(sample.labels.array) == 2)
    pairs = zip(middle, _letters(axes), strict=True)
    expected = [place for place, axis in pairs if axis != "C"]
    np.testing.assert_allclose(painted.mean(axis=0), expected, atol=1)


def _letters(axes: str) -> str:
    """Axes of new labels: colors and channels in front are left out."""
    return axes.removesuffix("C").removeprefix("C")


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_is_shown_on_its_source(make_napari_viewer_proxy, tmp_path, kind):
    """A segmentation that equals a threshold of the image is seen where it is."""
    viewer = session_of(make_napari_viewer_proxy()).viewer
    layers, axes = build(kind, tmp_path)
    source = viewer.add_layer(layers[0])
    keep = result_axes(source, axes)
    data = source.data[0] if source.multiscale else source.data
    data = np.asarray(data[..., 0] if source.rgb else data)
    letters = axes.removesuffix("C") if source.rgb else axes
    over_channels = tuple(n for n, a in enumerate(letters) if a == "C")
    merged = (
        data.max(axis=over_channels, keepdims="C" in keep) if over_channels else data
    )
    result = Labels(
        (merged > 127).astype(np.uint8), name="result",
        **result_transform(source, axes, keep=keep),
    )  # fmt: skip
    viewer.add_layer(result)
    for place in itertools.product(*((0, size // 3, size - 1) for size in data.shape)):
        world = np.asarray(source.data_to_world(place))
        kept = [p for p, a in zip(place, letters, strict=True) if a in keep]
        if "C" in keep:
            kept[keep.index("C")] = 0
        found = np.round(result.world_to_data(world)).astype(int)
        assert found.tolist() == kept
        assert result.data[tuple(found)] == int(merged[tuple(kept)] > 127)


def test_strokes_change_the_counts(make_napari_viewer_proxy, qtbot) -> None:
    proxy = make_napari_viewer_proxy()
    viewer = session_of(proxy).viewer
    viewer.add_image(noise(6, 80, 90))
    table, classes = SampleTable(proxy), ClassTableWidget(proxy)
    qtbot.addWidget(table)
    qtbot.addWidget(classes)
    table.labels_added.connect(classes.set_layer)
    table.row_widgets()[0].new_button.click()
    (layer,) = table.labels()
    qtbot.waitUntil(lambda: classes.counts.facts is not None)
    assert [row.name for row in classes.shown.rows] == [
        "unlabelled", "background", "foreground",
    ]  # fmt: skip
    _drag(viewer, layer, (0, 20, 20), (0, 20, 60))
    n_foreground = int((layer.data == 2).sum())
    assert n_foreground > 300
    assert [row.n_voxels for row in classes.shown.rows][1:] == [0, n_foreground]
    layer.selected_label = 1
    _drag(viewer, layer, (0, 60, 20), (0, 60, 60))
    assert [row.n_voxels for row in classes.shown.rows][1] == (layer.data == 1).sum()
    layer.undo()
    qtbot.waitUntil(lambda: classes.shown.rows[1].n_voxels == 0)
    layer.redo()
    qtbot.waitUntil(lambda: classes.shown.rows[1].n_voxels > 300)
    assert classes.shown.zero == "unlabelled"
    assert "1 of 6 slices" in classes.sentence.text()


def _drag(viewer: Any, layer: Labels, start: Any, end: Any) -> None:
    """A stroke of the brush as napari's mouse bindings make it."""
    from napari.utils._test_utils import read_only_mouse_event
    from napari.utils.interactions import (
        mouse_move_callbacks,
        mouse_press_callbacks,
        mouse_release_callbacks,
    )

    def event(kind: str, position: Any) -> Any:
        return read_only_mouse_event(
            type=kind, is_dragging=kind == "mouse_move", position=position,
            dims_displayed=list(viewer.dims.displayed),
        )  # fmt: skip

    mouse_press_callbacks(layer, event("mouse_press", start))
    for share in np.linspace(0, 1, 9):
        position = np.array(start) + share * (np.array(end) - start)
        mouse_move_callbacks(layer, event("mouse_move", tuple(position)))
    mouse_release_callbacks(layer, event("mouse_release", end))


def test_stored_labels_are_painted_and_on_disk(
    make_napari_viewer_proxy, qtbot, tmp_path
) -> None:
    proxy = make_napari_viewer_proxy()
    viewer = session_of(proxy).viewer
    image = viewer.add_image(noise(12, 300, 400), scale=(2, 0.5, 0.5), units="um")
    layer = add_stored_labels(viewer, image, tmp_path)
    classes = ClassTableWidget(proxy)
    qtbot.addWidget(classes)
    classes.set_layer(layer)
    qtbot.waitUntil(lambda: classes.counts.facts is not None)
    for z in (3, 7):
        viewer.dims.set_point(0, 2 * z)
        _drag(viewer, layer, (2 * z, 40, 40), (2 * z, 60, 120))
    saved = zarr.open_array(layer.metadata["segtrain"]["store"], mode="r")
    counts = np.bincount(np.asarray(saved[:]).ravel(), minlength=3)
    assert np.flatnonzero(np.asarray(saved[:]).any(axis=(1, 2))).tolist() == [3, 7]
    assert [row.n_voxels for row in classes.shown.rows] == counts.tolist()
    assert layer.get_value((2 * 7, 50, 80), world=True) == 2
    (sample,) = to_dataset([SampleRow((image,), layer)]).samples
    assert sample.labels.axes == guess_axes(image) == "ZYX"


def test_a_box_around_what_the_canvas_shows(make_napari_viewer_proxy, qtbot) -> None:
    proxy = make_napari_viewer_proxy()
    viewer = session_of(proxy).viewer
    viewer.add_image(noise(3000, 4000))
    table = SampleTable(proxy)
    qtbot.addWidget(table)
    viewer.scene.camera.center = (1500, 2000)
    viewer.scene.camera.zoom = 4
    proxy.screenshot(canvas_only=True)
    table.row_widgets()[0].new_button.click()
    (layer,) = table.labels()
    assert max(layer.data.shape) < 1000
    center = layer.data_to_world(np.array(layer.data.shape) / 2)
    np.testing.assert_allclose(center, (1500, 2000), atol=30)
    assert table.problem() == ""
