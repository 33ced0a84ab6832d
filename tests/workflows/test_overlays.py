"""Which slices of an image are shown, and how."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image

from napari_segtrain.boxes import full_box
from napari_segtrain.image import ClassInfo, ClassTable, Image, LabelImage
from napari_segtrain.workflows import overlays
from napari_segtrain.workflows.overlays import (
    N_SLICES,
    choose_slices,
    write_prediction_overlays,
)

OBJECTS = ClassTable(
    (ClassInfo(0, "outside", "#000000", "background"), ClassInfo(1, "cell", "#ff0000")),
    is_objects=True,
)


def names(image: Image, box=None) -> list[str]:
    box = box or full_box(image.items()[0].shape)
    return [each.path.name for each in choose_slices(Path(), "a", image, box)]


def test_a_bounded_number_of_slices() -> None:
    assert names(Image(np.zeros((4, 4), np.uint8))) == ["a.png"]
    assert names(Image(np.zeros((2, 4, 4), np.uint8), "ZYX")) == [
        "a_z0000.png",
        "a_z0001.png",
    ]
    many = names(Image(np.zeros((800, 4, 4), np.uint8), "ZYX"))
    assert len(many) == N_SLICES
    assert (many[0], many[-1]) == ("a_z0050.png", "a_z0750.png")
    film = names(Image(np.zeros((3, 2, 4, 4), np.uint8), "TZYX"))
    assert film[-1] == "a_t0002_z0001.png"
    volume = Image(np.zeros((9, 4, 4), np.uint8), "ZYX")
    assert names(volume, (slice(7, 8), slice(0, 4), slice(0, 4))) == ["a_z0007.png"]


def red(path: Path) -> int:
    pixels = np.asarray(PIL.Image.open(path).convert("RGB"), int)
    return int(((pixels[..., 0] - pixels[..., 1]) > 60).sum())


def test_the_result_lies_on_its_slice_in_the_color_of_its_class(tmp_path: Path) -> None:
    image = Image(np.full((6, 40, 40), 90, np.uint8), "ZYX")
    values = np.zeros((2, 40, 40), np.uint16)
    values[1, 10:30, 10:30] = 5
    shown = choose_slices(tmp_path, "a", image, (slice(3, 5), *[slice(0, 40)] * 2))
    write_prediction_overlays(
        shown, image, LabelImage(values, "ZYX"), OBJECTS, first_slice=3
    )
    nothing, square = (red(each.path) for each in shown)
    assert square > nothing + 1000


def test_objects_that_touch_are_parted(tmp_path: Path) -> None:
    image = Image(np.zeros((40, 40), np.uint8))
    one = np.full((40, 40), 3, np.uint16)
    two = one.copy()
    two[:, 20:] = 4
    counts = []
    for name, values in (("one", one), ("two", two)):
        shown = choose_slices(tmp_path, name, image, full_box((1, 40, 40)))
        write_prediction_overlays(shown, image, LabelImage(values), OBJECTS)
        pixels = np.asarray(PIL.Image.open(shown[0].path).convert("RGB"))
        counts.append(len(np.unique(pixels.reshape(-1, 3), axis=0)))
    assert counts[1] > counts[0]  # the outlines along the line between them


def test_long_planes_are_thinned_out_in_bands(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(overlays, "MAX_READ", 20)
    monkeypatch.setattr(overlays, "_BAND_ROWS", 3)
    values = np.arange(47 * 61, dtype=np.uint16).reshape(47, 61)
    plane = overlays.read_slice(Image(values).items()[0], 0)
    assert np.array_equal(plane[0], values[::4, ::4])
