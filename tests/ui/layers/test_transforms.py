from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image, Labels

from napari_segtrain.errors import DataError
from napari_segtrain.ui.layers.alignment import label_box
from napari_segtrain.ui.layers.transforms import (
    placement,
    result_axes,
    result_transform,
    voxel_size,
)

pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")

PARTS = ("none", "scaled", "rotated", "sheared", "lower", "affine", "all")


def rotation(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def embedded(matrix: np.ndarray, n: int) -> np.ndarray:
    """A matrix that acts on the last axes only."""
    whole = np.eye(n)
    whole[n - len(matrix) :, n - len(matrix) :] = matrix
    return whole


def random_transform(
    rng: np.random.Generator, part: str, n: int, mixed: int
) -> dict[str, object]:
    """Transform whose last ``mixed`` of ``n`` axes are mixed."""
    found: dict[str, object] = {}
    if part != "none":
        found["scale"] = rng.uniform(0.05, 20, n)
        found["translate"] = rng.uniform(-1000, 1000, n)
    if part in ("rotated", "all"):
        found["rotate"] = embedded(rotation(rng, mixed), n)
    if part in ("sheared", "all"):
        found["shear"] = embedded(
            np.eye(mixed) + np.triu(rng.normal(size=(mixed, mixed)), 1), n
        )
    if part == "lower":
        found["shear"] = embedded(
            np.eye(mixed) + np.tril(rng.normal(size=(mixed, mixed)), -1), n
        )
    if part in ("affine", "all"):
        affine = np.eye(n + 1)
        affine[:n, :n] = embedded(rotation(rng, mixed) * rng.uniform(0.5, 2, mixed), n)
        affine[:n, -1] = rng.uniform(-50, 50, n)
        found["affine"] = affine
    return found


def world(layer, voxel) -> np.ndarray:
    return np.asarray(layer.data_to_world(tuple(float(v) for v in voxel)))


@settings(max_examples=40)
@given(
    st.sampled_from(PARTS),
    st.sampled_from(["YX", "ZYX", "CYX", "CZYX", "TYX", "TZYX", "TCZYX", "ZCYX"]),
    st.integers(0, 2**32 - 1),
)
def test_a_result_lies_where_its_source_does(part, axes, seed) -> None:
    rng = np.random.default_rng(seed)
    n = len(axes)
    transform = random_transform(rng, part, n, n - len(axes.rstrip("ZYX")))
    layer = Image(np.zeros((6, 5, 4, 7, 8)[-n:], np.uint8), rgb=False, **transform)
    keep = axes.replace("C", "")
    origin = {letter: int(rng.integers(0, 4)) for letter in keep}
    result = Labels(
        np.zeros((2,) * len(keep), np.uint8),
        **result_transform(layer, axes, keep=keep, origin=origin),
    )
    voxel = rng.integers(0, 3, len(keep))
    source = dict(zip(keep, voxel, strict=True))
    index = [source[a] + origin[a] if a in source else 0 for a in axes]
    kept = [axes.index(letter) for letter in keep]
    expected = world(layer, index)[kept]
    np.testing.assert_allclose(world(result, voxel), expected, rtol=1e-7, atol=1e-6)


@settings(max_examples=40)
@given(st.sampled_from(PARTS), st.permutations("ZYX"), st.integers(0, 2**32 - 1))
def test_results_in_another_order_of_axes(part, axes, seed) -> None:
    rng = np.random.default_rng(seed)
    layer = Image(np.zeros((4, 5, 6)), **random_transform(rng, part, 3, 3))
    result = Labels(
        np.zeros((6, 6, 6), np.uint8),
        **result_transform(layer, "".join(axes), keep="ZYX"),
    )
    voxel = rng.integers(0, 5, 3)
    index = [voxel["ZYX".index(letter)] for letter in axes]
    np.testing.assert_allclose(world(result, voxel), world(layer, index), atol=1e-6)


@settings(max_examples=40)
@given(st.sampled_from(PARTS), st.integers(0, 1), st.integers(0, 2**32 - 1))
def test_results_of_a_level_fill_what_its_voxels_cover(part, level, seed) -> None:
    rng = np.random.default_rng(seed)
    levels = [np.zeros((8, 32, 24)), np.zeros((8, 16, 12))]
    layer = Image(levels, multiscale=True, **random_transform(rng, part, 3, 3))
    origin = {"Z": 1, "Y": 2, "X": 3}
    result = Labels(
        np.zeros((2, 5, 5), np.uint8),
        **result_transform(layer, "ZYX", keep="ZYX", origin=origin, level=level),
    )
    factor = (1, level + 1, level + 1)
    voxel = rng.integers(0, 5, 3)
    first = (voxel + np.array([1, 2, 3])) * factor
    center = first + (np.array(factor) - 1) / 2
    np.testing.assert_allclose(world(result, voxel), world(layer, center), atol=1e-6)


def test_probabilities_have_a_neutral_class_axis_in_front() -> None:
    layer = Image(
        np.zeros((4, 5, 6)), scale=(3, 2, 2), translate=(7, 8, 9), rotate=30,
        units="um", axis_labels=("z", "y", "x"),
    )  # fmt: skip
    kwargs = result_transform(
        layer, "ZYX", keep="ZYX", origin={"Y": 2}, class_axis=True
    )
    result = Image(np.zeros((3, 4, 3, 6)), **kwargs)
    inside = world(layer, (1, 4, 5))
    np.testing.assert_allclose(world(result, (2, 1, 2, 5)), [2, *inside], atol=1e-9)
    assert result.axis_labels == ("class", "z", "y", "x")
    assert [str(unit) for unit in result.units] == ["pixel", *["micrometer"] * 3]


def test_units_and_names_of_the_axes_are_kept() -> None:
    layer = Image(
        np.zeros((2, 4, 5, 6)), units=("pixel", "nm", "um", "um"),
        axis_labels=("c", "z", "y", "x"), scale=(1, 400, 0.1, 0.1),
    )  # fmt: skip
    kwargs = result_transform(layer, "CZYX", keep="ZYX")
    assert kwargs["axis_labels"] == ("z", "y", "x")
    assert [str(unit) for unit in kwargs["units"]] == [
        "nanometer", "micrometer", "micrometer",
    ]  # fmt: skip
    np.testing.assert_array_equal(kwargs["scale"], (400, 0.1, 0.1))


def test_simple_transforms_keep_their_parts() -> None:
    """A result of a rotated layer shows the same numbers as the layer."""
    layer = Image(np.zeros((4, 5)), scale=(2, 3), rotate=30, shear=[0.2])
    kwargs = result_transform(layer, "YX", keep="YX")
    np.testing.assert_array_equal(kwargs["scale"], layer.scale)
    np.testing.assert_array_equal(kwargs["rotate"], layer.rotate)
    np.testing.assert_array_equal(kwargs["affine"], np.eye(3))


def test_default_axis_labels_stay_default() -> None:
    layer = Image(np.zeros((2, 4, 5)))
    result = Labels(
        np.zeros((4, 5), np.uint8), **result_transform(layer, "CYX", keep="YX")
    )
    assert result.axis_labels == ("-2", "-1")


def test_a_channel_axis_behind_z_is_spanned() -> None:
    """napari aligns last axes: the result keeps C, and shows on every channel."""
    layer = Image(np.zeros((6, 4, 20, 30)), scale=(1, 2, 1, 1))
    assert result_axes(layer, "ZCYX") == "ZCYX"
    result = Labels(
        np.zeros((6, 1, 20, 30), np.uint8),
        **result_transform(layer, "ZCYX", keep="ZCYX"),
    )
    for channel in range(4):
        shown = result.world_to_data(world(layer, (5, channel, 3, 4)))
        np.testing.assert_array_equal(np.round(shown), (5, 0, 3, 4))


@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [((4, 9, 9), "CYX", "YX"), ((4, 3, 9, 9), "TCYX", "TCYX"), ((9, 9), "YX", "YX")],
)
def test_axes_of_results(shape, axes, expected) -> None:
    assert result_axes(Image(np.zeros(shape)), axes) == expected


def test_colors_are_no_axis_of_a_result() -> None:
    layer = Image(np.zeros((8, 9, 3), np.uint8), rgb=True, scale=(2, 3))
    assert result_axes(layer, "YXC") == "YX"
    kwargs = result_transform(layer, "YXC", keep="YX", origin={"X": 2})
    np.testing.assert_array_equal(kwargs["translate"], (0, 6))


@pytest.mark.parametrize(
    ("units", "scale", "expected"),
    [
        ("um", (4, 0.5, 0.5), (4, 0.5, 0.5)),
        (("nm", "um", "um"), (400, 0.1, 0.1), (0.4, 0.1, 0.1)),
        ("pixel", (4, 0.5, 0.5), None),
        (("pixel", "um", "um"), (4, 0.5, 0.5), None),
        ("mm", (1, 1, 1), (1000, 1000, 1000)),
    ],
)
def test_voxel_size_is_in_micrometers(units, scale, expected) -> None:
    layer = Image(np.zeros((4, 5, 6)), units=units, scale=scale)
    assert voxel_size(layer, "ZYX") == expected


def test_voxel_size_in_the_order_zyx_without_channels_and_time() -> None:
    layer = Image(
        np.zeros((2, 3, 8, 9, 5)), scale=(1, 60, 1, 2, 3),
        units=("pixel", "s", "um", "um", "um"),
    )  # fmt: skip
    assert voxel_size(layer, "CTYXZ") == (3, 1, 2)


def test_voxel_size_of_a_level() -> None:
    levels = [np.zeros((8, 64, 64)), np.zeros((8, 16, 16))]
    layer = Image(levels, multiscale=True, scale=(2, 0.5, 0.5), units="um")
    assert voxel_size(layer, "ZYX", level=1) == (2, 2, 2)


def test_a_mirrored_layer_has_the_voxel_size_of_its_scale() -> None:
    layer = Image(np.zeros((5, 6)), scale=(-2, 3), rotate=35, units="um")
    assert voxel_size(layer, "YX") == (2, 3)


def test_voxel_size_that_an_affine_adds() -> None:
    layer = Image(np.zeros((5, 6)), affine=np.diag([0.5, 0.25, 1]), units="um")
    assert voxel_size(layer, "YX") == (0.5, 0.25)


def test_placement_is_what_napari_shows() -> None:
    rng = np.random.default_rng(3)
    layer = Image(np.zeros((4, 5, 6)), **random_transform(rng, "all", 3, 3))
    matrix = placement(layer, "ZYX").matrix
    np.testing.assert_allclose(
        (matrix @ [3, 2, 1, 1])[:-1], world(layer, (3, 2, 1)), atol=1e-9
    )


@settings(max_examples=40)
@given(
    st.sampled_from(PARTS),
    st.sampled_from(["YX", "ZYX", "CZYX", "TZYX", "ZCYX"]),
    st.integers(0, 1),
    st.integers(0, 2**32 - 1),
)
def test_labels_made_on_an_image_are_found_on_it(part, axes, level, seed) -> None:
    rng = np.random.default_rng(seed)
    n = len(axes)
    transform = random_transform(rng, part, n, n - len(axes.rstrip("ZYX")))
    shape = (8, 8, 8, 32, 24)[-n:]
    small = (*shape[:-2], 16, 12)
    levels = [np.zeros(shape, np.uint8), np.zeros(small, np.uint8)]
    image = Image(levels, multiscale=True, rgb=False, **transform)
    keep = result_axes(image, axes)
    origin = {axis: int(rng.integers(0, 5)) for axis in keep if axis != "C"}
    options = result_transform(image, axes, keep=keep, origin=origin, level=level)
    labels = Labels(np.zeros((1,) * len(keep), np.uint8), **options)
    box = label_box(image, labels, axes, level=level)
    assert box.offset == origin


@settings(max_examples=40)
@given(st.sampled_from(PARTS), st.integers(0, 2**32 - 1))
def test_labels_off_the_grid_are_refused(part, seed) -> None:
    rng = np.random.default_rng(seed)
    transform = random_transform(rng, part, 3, 3)
    image = Image(np.zeros((8, 32, 24), np.uint8), **transform)
    place = np.array([2, 3, 4]) + rng.uniform(0.15, 0.85, 3)
    corner = np.array(image.data_to_world(tuple(place)))
    first = np.array(image.data_to_world((0.0, 0.0, 0.0)))
    affine = np.eye(4)
    affine[:3, :3] = image.affine.linear_matrix
    affine[:3, 3] = np.asarray(image.affine.translate) + corner - first
    labels = Labels(np.zeros((2, 5, 5), np.uint8), **transform | {"affine": affine})
    with pytest.raises(DataError, match="no whole number"):
        label_box(image, labels, "ZYX")
