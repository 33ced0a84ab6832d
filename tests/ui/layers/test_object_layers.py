from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from napari.layers import Image, Labels, Shapes
from napari.utils import DirectLabelColormap
from tests.objects.touching import touching_balls

from napari_segtrain.errors import DataError
from napari_segtrain.objects.counting import counts_by_outline
from napari_segtrain.objects.prevalence import prevalent_slices
from napari_segtrain.ui.layers import object_layers
from napari_segtrain.ui.layers.drawn_objects import drawn_objects, drawn_regions
from napari_segtrain.ui.layers.object_layers import (
    object_mesh,
    object_source,
    outline_layer,
    point_layer,
    surface_layer,
)

PLACED = {"scale": (2.0, 0.5, 0.25), "translate": (10, -3, 4), "rotate": 20}


def small_labels(**placed):
    ids = np.zeros((3, 8, 10), np.uint16)
    ids[0, 1:4, 2:6] = 3
    ids[1, 1:6, 2:7] = 3
    ids[1, 2:4, 3:5] = 0
    ids[1, 3, 4] = 9
    ids[2, 7, 9] = 12
    return Labels(ids, name="vesicles", **placed)


def back(shapes, layer, axes):
    return drawn_objects(shapes, layer, axes).fill()


def test_outlines_are_polygons_with_ids_and_colors():
    layer = small_labels()
    shapes = outline_layer(object_source(layer))
    assert shapes.features["id"].tolist() == [3, 3, 9, 12]
    assert set(shapes.shape_type) == {"polygon"}
    assert [float(each[0, 0]) for each in shapes.data] == [0, 1, 1, 2]
    np.testing.assert_allclose(shapes.edge_color[2], layer.get_color(9))
    assert (shapes.face_color[:, 3] == 0).all()


@settings(max_examples=25)
@given(
    arrays(
        np.int32,
        array_shapes(min_dims=2, max_dims=4, max_side=5),
        elements=st.integers(0, 3),
    ).filter(np.any)
)
def test_objects_come_back(ids):
    axes = "TZYX"[-ids.ndim :]
    layer = Labels(ids, scale=(0.5,) * ids.ndim, translate=range(ids.ndim))
    shapes = outline_layer(object_source(layer, axes=axes))
    assert shapes.ndim == ids.ndim
    np.testing.assert_array_equal(back(shapes, layer, axes), ids)


def test_outlines_lie_on_the_labels_in_the_world():
    layer = small_labels(
        **PLACED, units=("nm", "um", "um"), axis_labels=("z", "y", "x")
    )
    shapes = outline_layer(object_source(layer))
    assert shapes.units == layer.units
    assert shapes.axis_labels == layer.axis_labels
    place = (1, 3, 4)
    np.testing.assert_allclose(
        shapes.data_to_world(place), layer.data_to_world(place), rtol=1e-6
    )
    drawn = drawn_objects(shapes, layer, "ZYX")
    again = Labels(drawn.fill(), **drawn.transform)
    np.testing.assert_array_equal(again.data, layer.data)
    assert (again.units, again.axis_labels) == (layer.units, layer.axis_labels)
    np.testing.assert_allclose(again.data_to_world(place), layer.data_to_world(place))


def test_channels_are_no_slices():
    image = Image(np.zeros((2, 3, 8, 10)), scale=(1, 4, 2, 2))
    labels = small_labels(scale=(4, 2, 2))
    drawn = drawn_objects(outline_layer(object_source(labels)), image, "CZYX")
    np.testing.assert_array_equal(drawn.fill(), labels.data)


def test_axes_in_another_order():
    ids = np.zeros((10, 3, 8), np.uint16)
    ids[2:5, 1, 3:7] = 4
    layer = Labels(ids, scale=(1, 2, 3))
    shapes = outline_layer(object_source(layer, axes="XZY"))
    np.testing.assert_array_equal(back(shapes, layer, "XZY"), ids)


def test_new_polygons_are_new_objects():
    layer = small_labels()
    shapes = outline_layer(object_source(layer))
    square = np.array([[2, 0, 0], [2, 0, 2], [2, 2, 2], [2, 2, 0]]) - [0, 0.5, 0.5]
    shapes.add([square, square + np.array([0, 3, 3])], shape_type="polygon")
    ids = back(shapes, layer, "ZYX")
    assert (ids[2, :2, :2] == 13).all()
    assert (ids[2, 3:5, 3:5] == 14).all()
    np.testing.assert_array_equal(np.where(ids > 12, 0, ids), layer.data)


@pytest.mark.parametrize("features", [None, {"id": [np.nan, 7.0]}, {"id": ["a", 7]}])
def test_shapes_without_ids_are_numbered(features):
    corners = np.array([[0, 0], [0, 2], [2, 2], [2, 0]]) - 0.5
    shapes = Shapes([corners, corners + 4], shape_type="polygon", features=features)
    ids = back(shapes, Image(np.zeros((9, 9))), "YX")
    expected = (1, 2) if features is None else (8, 7)
    assert (ids[0, 0], ids[5, 5]) == expected


def test_shapes_that_are_on_no_slice():
    layer = small_labels()
    flat = Shapes([np.array([[0, 0], [0, 2], [2, 2]])], shape_type="polygon")
    with pytest.raises(DataError, match="2D and lie on no slice of Z"):
        drawn_objects(flat, layer, "ZYX")
    away = np.array([[7, 0, 0], [7, 0, 2], [7, 2, 2]])
    with pytest.raises(DataError, match="slice 7 of Z, but there are slices 0 to 2"):
        drawn_objects(Shapes([away], shape_type="polygon"), layer, "ZYX")


def test_shapes_without_an_area():
    line = Shapes([np.array([[0, 0], [3, 3]])], shape_type="line")
    with pytest.raises(DataError, match="holds no rectangle"):
        drawn_objects(line, Image(np.zeros((9, 9))), "YX")


@pytest.mark.parametrize(
    ("limit", "enough", "said"),
    [("MAX_SHAPES", 4, "more than 3 or"), ("MAX_CORNERS", 22, "more than 21 corners")],
)
def test_too_many_outlines(monkeypatch, limit, enough, said):
    source = object_source(small_labels())
    monkeypatch.setattr(object_layers, limit, enough)
    assert len(outline_layer(source).data) == 4
    monkeypatch.setattr(object_layers, limit, enough - 1)
    with pytest.raises(DataError, match=f"'vesicles' .*{said}.*GeoJSON or ImageJ"):
        outline_layer(source)


def test_nothing_to_show():
    source = object_source(Labels(np.zeros((2, 4, 4), np.uint8), name="empty"))
    for make in (outline_layer, point_layer):
        with pytest.raises(DataError, match="'empty' hold no object"):
            make(source)
    with pytest.raises(DataError, match="no object"):
        object_mesh(source)


def test_colors_of_ids_that_have_none():
    layer = small_labels()
    layer.colormap = DirectLabelColormap(color_dict={None: "transparent", 3: "red"})
    shapes = outline_layer(object_source(layer))
    assert shapes.edge_color[0].tolist() == [1, 0, 0, 1]
    assert shapes.edge_color[2].tolist() == [1, 1, 1, 1]


def test_centers_lie_on_the_most_prevalent_slice():
    layer = small_labels(**PLACED)
    points = point_layer(object_source(layer))
    assert points.features["id"].tolist() == [3, 9, 12]
    assert points.features["voxels"].tolist() == [21, 1, 1]
    np.testing.assert_allclose(points.data[1:], [[1, 3, 4], [2, 7, 9]])
    assert points.data[0, 0] == 1
    np.testing.assert_allclose(
        points.data_to_world(points.data[1]), layer.data_to_world((1, 3, 4))
    )
    np.testing.assert_allclose(points.face_color[2], layer.get_color(12))


def test_centers_of_all_times():
    ids = np.stack([small_labels().data, small_labels().data])
    points = point_layer(object_source(Labels(ids), axes="TZYX"))
    assert points.data[:, 0].tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("units", "to_um"), [("um", 1.0), ("nm", 1e-3), ("pixel", None)]
)
def test_surfaces_are_in_micrometers_and_lie_on_the_labels(units, to_um):
    scale = np.array([4.0, 2.0, 2.0])
    ids = touching_balls(shape=(12, 40, 40), spacing=(2, 1, 1), radius=9, n=3)
    layer = Labels(ids, scale=scale, translate=(7, 8, 9), units=units)
    source = object_source(layer)
    mesh = object_mesh(source)
    surface = surface_layer(source, mesh)
    size = np.ones(3) if to_um is None else scale * to_um
    middle = np.argwhere(ids == 2).mean(axis=0)
    found = mesh.vertices[mesh.ids == 2].mean(axis=0)
    np.testing.assert_allclose(found / size, middle, atol=0.6)
    np.testing.assert_allclose(
        surface.data_to_world(middle * size), layer.data_to_world(middle), rtol=1e-6
    )
    assert surface.units == layer.units
    color = surface.vertex_colors[np.flatnonzero(mesh.ids == 2)[0]]
    np.testing.assert_allclose(color, layer.get_color(2), atol=1e-6)


def test_surfaces_of_one_time():
    ids = np.stack([small_labels().data, small_labels().data * 2])
    source = object_source(Labels(ids, scale=(5, 1, 1, 1)), axes="TZYX")
    mesh = object_mesh(source, item=1, wanted=[6])
    assert np.unique(mesh.ids).tolist() == [6]
    assert surface_layer(source, mesh).ndim == 3


def test_flat_labels_have_no_surface():
    with pytest.raises(DataError, match="have no Z axis"):
        object_mesh(object_source(Labels(np.ones((5, 5), int))))


def test_layers_are_made_in_threads():
    source = object_source(small_labels())
    made = []

    def make():
        made.append(outline_layer(source))
        made.append(point_layer(source))
        made.append(surface_layer(source, object_mesh(source)))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert len(made) == 3


@pytest.mark.parametrize(("ndim", "counts"), [(3, [3, 0, 0]), (2, [1, 2, 0])])
def test_objects_are_counted_in_shapes(ndim, counts):
    layer = small_labels(scale=(3, 0.5, 0.5))
    box = np.array([[0, 0, 0], [0, 0, 4], [0, 3, 4], [0, 3, 0]])[:, -ndim:]
    line = box[:2]
    far = box + np.array([0, 80, 80])[-ndim:]
    shapes = Shapes([box, line, far], shape_type=["rectangle", "line", "polygon"])
    regions = drawn_regions(shapes, layer, "ZYX")
    centers = prevalent_slices(layer.data).centers
    found = counts_by_outline(centers, regions, through_all=ndim == 2)
    assert [count.region for count in found] == [0, 1, 3]
    assert [count.n_objects for count in found] == counts
