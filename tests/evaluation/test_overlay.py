from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PillowImage
from tests.evaluation.helpers import class_table

from napari_segtrain.evaluation.legend import Panel, draw_panels
from napari_segtrain.evaluation.overlay import stretch_channels, to_rgb, write_overlay

CLASSES = class_table("myelin", "axon", ignored=255)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, bool])
@pytest.mark.parametrize("n_channels", [1, 2, 3, 5])
def test_any_plane_becomes_rgb(dtype, n_channels):
    plane = np.random.default_rng(0).integers(0, 2, (n_channels, 9, 7)).astype(dtype)
    rgb = to_rgb(plane)
    assert rgb.shape == (9, 7, 3)
    assert rgb.dtype == np.uint8


def test_gray_levels_are_stretched_and_bad_voxels_do_not_matter():
    plane = np.linspace(1000, 1100, 400, dtype=np.float32).reshape(1, 20, 20)
    plane[0, 0, 0] = np.nan
    plane[0, 0, 1] = np.inf
    rgb = to_rgb(plane)
    assert rgb.min() == 0
    assert rgb.max() == 255
    assert (rgb[..., 0] == rgb[..., 1]).all()


@pytest.mark.parametrize("value", [7.0, np.nan])
def test_constant_planes_are_drawn(value):
    assert to_rgb(np.full((1, 4, 4), value)).shape == (4, 4, 3)


def test_colors_of_uint8_pictures_are_kept():
    plane = np.random.default_rng(0).integers(0, 256, (4, 5, 6), np.uint8)
    assert (to_rgb(plane) == np.moveaxis(plane[:3], 0, -1)).all()


def test_channels_are_stretched_one_by_one_and_colors_are_not():
    rng = np.random.default_rng(0)
    deep = rng.integers(500, 600, (5, 8, 8), np.uint16)
    assert stretch_channels(deep).shape == (5, 8, 8)
    assert (stretch_channels(deep).max(axis=(1, 2)) == 255).all()
    colors = rng.integers(0, 9, (3, 8, 8), np.uint8)
    assert (stretch_channels(colors) == colors).all()
    assert stretch_channels(colors) is not colors


@pytest.mark.parametrize("shape", [(40, 60), (900, 700), (5, 3), (1, 200)])
@pytest.mark.parametrize("has_truth", [True, False])
def test_picture_is_written_for_every_size(tmp_path, shape, has_truth):
    rng = np.random.default_rng(0)
    predicted = rng.integers(0, 3, shape, np.uint8)
    truth = rng.integers(0, 3, shape, np.uint8) if has_truth else None
    path = tmp_path / "overlays" / "image.png"
    write_overlay(
        path,
        rng.random((1, *shape), np.float32),
        truth_indices=truth,
        predicted_indices=predicted,
        classes=CLASSES,
    )
    with PillowImage.open(path) as picture:
        assert picture.format == "PNG"
        assert max(picture.size) < 3100
        assert has_truth or picture.width < 1700
    assert [file.name for file in path.parent.iterdir()] == ["image.png"]


def test_unlabelled_voxels_are_left_alone_and_errors_are_colored(tmp_path):
    path = tmp_path / "image.png"
    truth = np.full((400, 400), 255, np.uint8)
    truth[:, :200] = 1
    write_overlay(
        path,
        np.zeros((1, 400, 400), np.uint8),
        truth_indices=truth,
        predicted_indices=np.full((400, 400), 1, np.uint8),
        classes=CLASSES,
    )
    with PillowImage.open(path) as picture:
        pixels = np.asarray(picture).astype(int)
    errors = pixels[:, -400:][200]
    assert (errors[250:380] == 0).all(), "unlabelled: the black image shows"
    assert (errors[20:150].max(axis=-1) > 60).all(), "correct: tinted"


def test_planes_of_other_sizes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="differ in size"):
        write_overlay(
            tmp_path / "image.png",
            np.zeros((1, 4, 4)),
            truth_indices=None,
            predicted_indices=np.zeros((4, 5), np.uint8),
            classes=CLASSES,
        )


def test_long_color_keys_are_wrapped():
    pixels = np.zeros((100, 400, 3), np.uint8)
    entry = ("a class with a rather long name", (255, 0, 0))
    short = draw_panels([Panel("prediction", pixels, (entry,))])
    long = draw_panels([Panel("prediction", pixels, (entry,) * 12)])
    assert long.width == short.width
    assert long.height > short.height
