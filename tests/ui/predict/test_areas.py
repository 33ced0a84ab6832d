"""Parts of the plane: what is in view, and what lies inside shapes."""

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.training.tasks import disks
from tests.ui.predictions import opened, predicted, trained

from napari_segtrain.ui.classes.class_metadata import read_class_table
from napari_segtrain.ui.layers.look import look_at
from napari_segtrain.ui.predict.scope_box import SHAPES, VIEW

SHAPE = (300, 400)
RECTANGLE = np.array([[50, 60], [50, 159], [149, 159], [149, 60]])


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "disks")


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_image(disks(SHAPE, 7)[0], name="cells")
    return viewer


def zoom_in(viewer: ViewerModel, center: tuple[float, float], zoom: float) -> None:
    """Show a part, as a canvas of 100 x 200 pixels does."""
    viewer.canvas.size = (100, 200)
    viewer.scene.camera.center = (0, *center)
    viewer.scene.camera.zoom = zoom


def ends(window) -> list[tuple[int, int]]:
    return [(part.start, part.stop) for part in window]


def test_what_is_in_view(viewer) -> None:
    layer = viewer.layers["cells"]
    zoom_in(viewer, (150, 200), 2)
    assert ends(look_at(viewer, layer, "YX", 0).window) == [(125, 176), (150, 251)]
    zoom_in(viewer, (0, 400), 1)
    assert ends(look_at(viewer, layer, "YX", 0).window) == [(0, 51), (300, 400)]
    zoom_in(viewer, (150, 900), 1)
    assert look_at(viewer, layer, "YX", 0).window is None


def test_what_is_in_view_of_a_scaled_stack_with_levels() -> None:
    viewer = ViewerModel()
    data = [np.zeros((10, 200, 300)), np.zeros((10, 100, 150))]
    layer = viewer.add_image(
        data, scale=(5, 0.5, 0.5), translate=(0, 10, 20), multiscale=True
    )
    viewer.dims.set_current_step(0, 3)
    zoom_in(viewer, (10 + 50, 20 + 75), 4)  # 25 x 50 in the world, 50 x 100 voxels
    fine = look_at(viewer, layer, "ZYX", 0)
    assert (fine.index, ends(fine.window)) == ({"Z": 3}, [(75, 126), (100, 201)])
    coarse = look_at(viewer, layer, "ZYX", 1)
    assert ends(coarse.window) == [(37, 63), (50, 101)]


def test_all_is_in_view_in_three_dimensions() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((10, 20, 30)))
    zoom_in(viewer, (10, 15), 50)
    viewer.dims.ndisplay = 3
    assert ends(look_at(viewer, layer, "ZYX", 0).window) == [(0, 20), (0, 30)]


def test_the_view_is_predicted_and_nothing_else(qtbot, viewer, model, folder) -> None:
    widget = opened(qtbot, viewer, model)
    predicted(qtbot, widget)
    whole = viewer.layers["cells segmentation"].data.copy()
    viewer.layers.remove("cells segmentation")
    zoom_in(viewer, (150, 200), 1)
    widget.scope.area_box.setCurrentIndex(VIEW)
    predicted(qtbot, widget)
    part = viewer.layers["cells segmentation"].data
    seen = np.s_[100:201, 100:301]
    np.testing.assert_array_equal(part[seen], whole[seen])
    assert part[seen].any()
    outside = part.copy()
    outside[seen] = 0
    assert not outside.any()
    table = read_class_table(viewer.layers["cells segmentation"])
    assert table.zero == "unlabelled"  # so that nobody trains on what is not there


def test_the_rest_makes_it_whole(qtbot, viewer, model, folder) -> None:
    widget = opened(qtbot, viewer, model)
    zoom_in(viewer, (150, 200), 1)
    widget.scope.area_box.setCurrentIndex(VIEW)
    predicted(qtbot, widget)
    layer = viewer.layers["cells segmentation"]
    widget.scope.area_box.setCurrentIndex(0)
    predicted(qtbot, widget)
    assert viewer.layers["cells segmentation"] is layer
    assert read_class_table(layer).zero == "dense"
    assert layer.data[:50].any()


def test_nothing_in_view(qtbot, viewer, model, folder) -> None:
    widget = opened(qtbot, viewer, model)
    widget.scope.area_box.setCurrentIndex(VIEW)
    zoom_in(viewer, (150, 2000), 1)
    widget.controls.start_button.click()
    assert "Nothing of 'cells' is in the view" in widget.messages.text


def test_inside_shapes(qtbot, viewer, model, folder) -> None:
    widget = opened(qtbot, viewer, model)
    predicted(qtbot, widget)
    whole = viewer.layers["cells segmentation"].data.copy()
    viewer.layers.remove("cells segmentation")
    triangle = np.array([[160, 200], [290, 200], [290, 390]])
    viewer.add_shapes([RECTANGLE, triangle], shape_type="polygon", name="here")
    widget.scope.area_box.setCurrentIndex(SHAPES)
    assert widget.scope.shapes_choice.layer() is viewer.layers["here"]
    predicted(qtbot, widget)
    part = viewer.layers["cells segmentation"].data
    np.testing.assert_array_equal(part[51:149, 61:159], whole[51:149, 61:159])
    assert part[51:149, 61:159].any()
    outside = np.ones(SHAPE, bool)  # of the shapes, but in the box around both
    outside[:51] = outside[291:] = False
    outside[:, :61] = outside[:, 391:] = False
    outside[50:150, 60:160] = False
    rows, columns = np.indices(SHAPE)
    outside[(rows >= 160) & (columns - 200 < (rows - 158) * 190 / 130)] = False
    assert whole[outside].any()
    assert not part[outside].any()


def test_no_shapes(qtbot, viewer, model, folder) -> None:
    widget = opened(qtbot, viewer, model)
    widget.scope.area_box.setCurrentIndex(SHAPES)
    widget.controls.start_button.click()
    assert "There is no Shapes layer" in widget.messages.text
    viewer.add_shapes([RECTANGLE + 5000], shape_type="polygon", name="far")
    widget.controls.start_button.click()
    assert "no voxel of the image" in widget.messages.text


def test_objects_outside_of_the_shapes_stay(qtbot, viewer, folder) -> None:
    path = trained(folder / "run", data={"target": "instances"})
    widget = opened(qtbot, viewer, path)
    predicted(qtbot, widget)
    layer = viewer.layers["cells segmentation"]
    before = layer.data.copy()
    viewer.add_shapes([RECTANGLE], shape_type="polygon", name="here")
    widget.scope.area_box.setCurrentIndex(SHAPES)
    predicted(qtbot, widget)
    assert viewer.layers["cells segmentation"] is layer
    outside = np.ones(SHAPE, bool)
    outside[50:150, 60:160] = False
    np.testing.assert_array_equal(layer.data[outside], before[outside])
    inside = layer.data[50:150, 60:160]
    assert inside.any()
    assert inside.max() > before.max()  # they are new ones


@pytest.mark.parametrize(("step", "expected"), [(0, 0), (3, 0), (4, 1), (7, 1), (8, 2)])
def test_the_slice_of_a_level_is_the_one_that_is_shown(step, expected) -> None:
    viewer = ViewerModel()
    data = [np.zeros((12, 200, 300)), np.zeros((3, 100, 150))]
    layer = viewer.add_image(data, multiscale=True)
    viewer.dims.set_current_step(0, step)
    assert look_at(viewer, layer, "ZYX", 1).index == {"Z": expected}


def test_objects_fill_no_hole_of_the_area(qtbot, viewer, folder) -> None:
    """What is in the hole of a ring was not predicted."""
    image = viewer.layers["cells"]
    path = trained(folder / "run", data={"target": "instances"})
    outer = np.array([[0, 0], [0, 399], [299, 399], [299, 0], [0, 0]])
    inner = np.array([[100, 100], [200, 100], [200, 300], [100, 300], [100, 100]])
    image.data = np.full(SHAPE, float(image.data.max()))  # all is foreground
    widget = opened(qtbot, viewer, path)
    ring = np.concatenate([outer, inner])
    viewer.add_shapes([ring], shape_type="polygon", name="ring")
    widget.scope.area_box.setCurrentIndex(SHAPES)
    predicted(qtbot, widget)
    assert not viewer.layers["cells segmentation"].data[110:190, 110:290].any()
