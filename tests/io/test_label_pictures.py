"""Label images as PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from napari_segtrain.errors import DataError
from napari_segtrain.image import LabelImage
from napari_segtrain.io import (
    read_labels,
    read_stack,
    stack_axis,
    write_label_pictures,
)


@pytest.mark.parametrize(
    ("most", "mode"), [(1, "L"), (255, "L"), (256, "I;16"), (65_535, "I;16")]
)
def test_one_picture_has_as_many_bits_as_it_needs(
    tmp_path: Path, most: int, mode: str
) -> None:
    values = np.zeros((6, 9), np.int32)
    values[2, 3] = most
    write_label_pictures(tmp_path / "a.png", LabelImage(values))
    with PIL.Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == mode
    assert np.array_equal(read_labels(tmp_path / "a.png").array[:], values)


@pytest.mark.parametrize("axes", ["ZYX", "TYX", "YXZ"])
def test_a_folder_is_read_as_a_stack(tmp_path: Path, axes: str) -> None:
    values = np.zeros((12, 5, 7), np.uint16)
    values[11, 0, 0] = 700  # all slices have one type, whichever needs it
    values[:, 1, 1] = np.arange(12)
    stored = np.moveaxis(values, 0, -1) if axes == "YXZ" else values
    write_label_pictures(tmp_path / "v", LabelImage(stored, axes), first=9_995)
    names = sorted(path.name for path in (tmp_path / "v").iterdir())
    assert names[0] == "v_09995.png"
    assert names[-1] == "v_10006.png"
    again = read_stack(tmp_path / "v", labels=True)
    assert again.array.dtype == np.uint16
    assert np.array_equal(again.array[:], values)


def test_a_single_slice_is_a_picture(tmp_path: Path) -> None:
    labels = LabelImage(np.ones((1, 4, 4), np.uint8), "ZYX")
    assert stack_axis(labels) == ""
    write_label_pictures(tmp_path / "a.png", labels)
    assert (tmp_path / "a.png").is_file()


@pytest.mark.parametrize("value", [-1, 65_536])
def test_values_that_do_not_fit(tmp_path: Path, value: int) -> None:
    labels = LabelImage(np.array([[0, value]]), name="cells")
    with pytest.raises(DataError, match=f"{value} of cells .* --format tiff"):
        write_label_pictures(tmp_path / "a.png", labels)
    assert list(tmp_path.iterdir()) == []


def test_two_axes_of_slices_are_refused(tmp_path: Path) -> None:
    labels = LabelImage(np.zeros((2, 3, 4, 4), np.uint8), "TZYX", name="film")
    with pytest.raises(DataError, match="film has the axes TZYX"):
        write_label_pictures(tmp_path / "a", labels)
