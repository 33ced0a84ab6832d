from __future__ import annotations

import numpy as np
import pytest

from napari_segtrain.image import Image
from napari_segtrain.ui.layers.look import Look
from napari_segtrain.ui.predict import scope as scope_module
from napari_segtrain.ui.predict.scope import Scope, frame_of

MOVIE = Image(np.zeros((3, 5, 8, 9), np.uint8), "TZYX")
PLANE = Image(np.zeros((8, 9), np.uint8), "YX")


def depths(boxes):
    return [(z.start, z.stop) for z, _, _ in boxes]


def test_everything() -> None:
    scope = Scope()
    assert scope.is_whole(MOVIE)
    assert scope.n_voxels(MOVIE) == 3 * 5 * 8 * 9
    assert scope.items(MOVIE) == [{"T": 0}, {"T": 1}, {"T": 2}]
    assert scope.items(PLANE) == [{}]


def test_what_is_looked_at_comes_first() -> None:
    scope = Scope(look=Look({"T": 2, "Z": 3}))
    assert scope.items(MOVIE) == [{"T": 2}, {"T": 0}, {"T": 1}]
    assert depths(scope.boxes(MOVIE, dims=2)) == [(3, 4), (0, 3), (4, 5)]
    assert depths(scope.boxes(MOVIE, dims=3)) == [(0, 5)]


def test_a_range_of_a_frame() -> None:
    scope = Scope(slices=(1, 3), frames={"T": 1}, look=Look({"T": 1, "Z": 4}))
    assert not scope.is_whole(MOVIE)
    assert scope.items(MOVIE) == [{"T": 1}]
    assert depths(scope.boxes(MOVIE, dims=2)) == [(1, 3)]


def test_a_part_gets_a_result_as_large_as_the_image() -> None:
    frame = frame_of(MOVIE, "TZYX", Scope(slices=(1, 3)), 1)
    assert (frame.shape, frame.origin) == ((3, 5, 8, 9), {})


def test_a_part_of_a_large_image_gets_one_of_its_own(monkeypatch) -> None:
    monkeypatch.setattr(scope_module, "MAX_WHOLE_BYTES", 1000)
    frame = frame_of(MOVIE, "TZYX", Scope(slices=(1, 3), frames={"T": 2}), 1)
    assert (frame.shape, frame.origin) == ((1, 2, 8, 9), {"T": 2, "Z": 1})
    whole = frame_of(MOVIE, "TZYX", Scope(), 1)
    assert whole.shape == (3, 5, 8, 9)


@pytest.mark.parametrize("axes", ["YX", "CYX"])
def test_channels_are_merged(axes) -> None:
    image = Image(np.zeros((4, 8, 9), np.uint8), "CYX")
    frame = frame_of(image, axes, Scope(), 1)
    assert frame.shape == (1, 8, 9)[-len(axes) :]
