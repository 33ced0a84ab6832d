from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Shapes

from napari_segtrain.errors import DataError
from napari_segtrain.ui.layers import regions
from napari_segtrain.ui.layers.regions import check_region, region_mask

SQUARE = np.array([[2, 3], [2, 8], [6, 8], [6, 3]], float)


def whole(mask, shape: tuple[int, int], index: tuple[int, ...] = ()) -> np.ndarray:
    """A plane of a mask in its image."""
    full = np.zeros(shape, bool)
    plane = mask.planes[index]
    y, x = mask.origin
    full[y : y + plane.shape[0], x : x + plane.shape[1]] = plane
    return full


def on_slice(z: float, corners: np.ndarray = SQUARE) -> np.ndarray:
    return np.column_stack([np.full(len(corners), z), corners])


@pytest.mark.parametrize("kind", ["rectangle", "polygon", "path"])
def test_shapes_with_corners(kind) -> None:
    shapes = Shapes([SQUARE - 0.5], shape_type=kind)
    mask = region_mask(shapes, Image(np.zeros((12, 14))), "YX")
    expected = np.zeros((12, 14), bool)
    expected[2:6, 3:8] = True
    np.testing.assert_array_equal(whole(mask, (12, 14)), expected)


def test_ellipses() -> None:
    box = np.array([[2, 2], [2, 18], [10, 18], [10, 2]], float)
    shapes = Shapes([box], shape_type="ellipse")
    mask = region_mask(shapes, Image(np.zeros((14, 20))), "YX")
    y, x = np.mgrid[:14, :20]
    expected = ((y - 6) / 4) ** 2 + ((x - 10) / 8) ** 2
    found = whole(mask, (14, 20))
    assert found[expected < 0.97].all()
    assert not found[expected > 1.03].any()


def test_shapes_go_through_the_world() -> None:
    """A shape is on the image where napari shows it."""
    turned = {"scale": (2, 3), "rotate": 30, "translate": (50, -20)}
    image = Image(np.zeros((30, 40)), **turned)
    corners = np.array([image.data_to_world(point) for point in SQUARE - 0.5])
    shapes = Shapes([corners], shape_type="polygon")
    np.testing.assert_array_equal(
        whole(region_mask(shapes, image, "YX"), (30, 40))[2:6, 3:8], np.ones((4, 5))
    )
    assert whole(region_mask(shapes, image, "YX"), (30, 40)).sum() == 20


def test_units_of_shapes() -> None:
    image = Image(np.zeros((30, 40)), scale=(0.5, 0.5), units="um")
    shapes = Shapes([(SQUARE - 0.5) * 500], shape_type="polygon", units="nm")
    assert region_mask(shapes, image, "YX").planes[()].sum() == 20


def test_levels() -> None:
    image = Image([np.zeros((40, 40)), np.zeros((20, 20))], multiscale=True)
    shapes = Shapes([SQUARE * 2 - 0.5], shape_type="polygon")
    found = whole(region_mask(shapes, image, "YX", level=1), (20, 20))
    assert found[2:6, 3:8].all()
    assert found.sum() == 20


def test_the_slice_on_which_it_was_drawn() -> None:
    shapes = Shapes([on_slice(3), on_slice(5, SQUARE + 2)], shape_type="polygon")
    mask = region_mask(shapes, Image(np.zeros((8, 12, 14))), "ZYX")
    assert mask.axes == "Z"
    assert set(mask.planes) == {(3,), (5,)}
    assert not np.array_equal(whole(mask, (12, 14), (3,)), whole(mask, (12, 14), (5,)))


def test_through_all_slices() -> None:
    image = Image(np.zeros((8, 12, 14)))
    flat = Shapes([SQUARE], shape_type="polygon")
    assert region_mask(flat, image, "ZYX").axes == ""
    drawn = Shapes([on_slice(3)], shape_type="polygon")
    assert region_mask(drawn, image, "ZYX", through_all=True).axes == ""


def test_slices_of_a_scaled_stack() -> None:
    image = Image(np.zeros((8, 12, 14)), scale=(4, 1, 1))
    shapes = Shapes([on_slice(12.1)], shape_type="polygon")
    assert set(region_mask(shapes, image, "ZYX").planes) == {(3,)}


def test_channels_are_no_slices() -> None:
    shapes = Shapes([np.insert(on_slice(3), 0, 1, axis=1)], shape_type="polygon")
    mask = region_mask(shapes, Image(np.zeros((2, 8, 12, 14))), "CZYX")
    assert (mask.axes, set(mask.planes)) == ("Z", {(3,)})


def test_shapes_on_one_slice_are_joined() -> None:
    shapes = Shapes([on_slice(3), on_slice(3, SQUARE + 3)], shape_type="polygon")
    mask = region_mask(shapes, Image(np.zeros((8, 12, 14))), "ZYX")
    assert mask.planes[(3,)].sum() > 20


def test_only_the_part_on_the_image() -> None:
    shapes = Shapes([SQUARE * 100 - 410], shape_type="polygon")
    mask = region_mask(shapes, Image(np.zeros((50, 500))), "YX")
    expected = np.zeros((50, 500), bool)
    expected[:, :390] = True
    np.testing.assert_array_equal(whole(mask, (50, 500)), expected)


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [
        ([], "polygon", "holds no rectangle"),
        ([on_slice(3)[:2]], "line", "holds no rectangle"),
        ([on_slice(30)], "polygon", "no voxel of the image"),
        ([on_slice(3, SQUARE - 50)], "polygon", "no voxel of the image"),
        ([np.array([[0, 2, 3], [5, 2, 8], [5, 6, 8]])], "polygon", "slices 0 to 5"),
    ],
)
def test_regions_that_are_none(data, kind, reason) -> None:
    shapes = Shapes(data, shape_type=kind, ndim=3, name="region")
    with pytest.raises(DataError, match=reason):
        region_mask(shapes, Image(np.zeros((8, 12, 14))), "ZYX")


def test_a_quick_look() -> None:
    check_region(Shapes([SQUARE], shape_type="polygon"))
    with pytest.raises(DataError, match="holds no rectangle"):
        check_region(Shapes(None, ndim=2))


def test_many_small_shapes_cost_little(monkeypatch) -> None:
    """Regions are rasterized in the GUI thread."""
    asked = []
    fill = regions.fill_polygon

    def counted(points, shape):
        asked.append(shape)
        return fill(points, shape)

    monkeypatch.setattr(regions, "fill_polygon", counted)
    image = Image(np.broadcast_to(np.uint8(0), (3000, 3000)))
    shapes = Shapes([SQUARE + n for n in range(0, 2900, 290)], shape_type="polygon")
    mask = region_mask(shapes, image, "YX")
    assert mask.origin == (2, 3)
    assert max(n_y * n_x for n_y, n_x in asked) <= 30
    assert (
        mask.planes[()].sum()
        == 10
        * region_mask(Shapes([SQUARE], shape_type="polygon"), image, "YX")
        .planes[()]
        .sum()
    )
