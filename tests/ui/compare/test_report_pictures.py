"""Which image the pictures of a report show, and that they are in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from tests.ui.compare.test_comparison_widget import (
    add,
    compare,
    open_dock,
    shifted,
    volume,
)

from napari_segtrain.ui.compare.comparison_widget import ComparisonWidget
from napari_segtrain.ui.compare.report_pictures import picture_source

NOISE = np.random.default_rng(1).integers(0, 200, (6, 32, 40)).astype(np.uint16)


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_layer(Image(NOISE, scale=(3, 1, 1), name="image"))
    add(viewer, volume(), "truth", scale=(3, 1, 1))
    add(viewer, shifted(volume()), "result", scale=(3, 1, 1))
    return viewer


def compared(qtbot, viewer) -> ComparisonWidget:
    dock = open_dock(qtbot, viewer)
    compare(qtbot, dock)
    return dock


def source_of(dock: ComparisonWidget, viewer: ViewerModel):
    return picture_source(viewer, dock.results.pair, dock.comparison)


def save(qtbot, dock: ComparisonWidget, path: Path) -> str:
    dock.ask_path = lambda: path
    dock.messages.clear()
    dock.save()
    qtbot.waitUntil(lambda: "Saved" in dock.messages.text, timeout=30_000)
    return dock.messages.text


def test_a_saved_page_shows_the_worst_slices(qtbot, viewer, tmp_path) -> None:
    viewer.layers["result"].data[3] = 0
    dock = compared(qtbot, viewer)
    page = tmp_path / "report.html"
    assert "no pictures" not in save(qtbot, dock, page)
    text = page.read_text("utf-8")
    assert "Z 3, IoU 0.000" in text
    n_scored = sum(part.iou is not None for part in dock.comparison.report.slices)
    assert n_scored == 5
    pictures = text.count("data:image/png")
    viewer.layers["image"].visible = False
    viewer.layers.remove("image")
    said = save(qtbot, dock, page)
    assert "no pictures of slices in it, as no image lies on them" in said
    assert page.read_text("utf-8").count("data:image/png") == pictures - 5


def test_a_pdf_has_them_too(qtbot, viewer, tmp_path) -> None:
    dock = compared(qtbot, viewer)
    save(qtbot, dock, tmp_path / "with.pdf")
    viewer.layers.remove("image")
    save(qtbot, dock, tmp_path / "without.pdf")
    sizes = [(tmp_path / f"{name}.pdf").stat().st_size for name in ("with", "without")]
    assert sizes[0] > 2 * sizes[1]


def test_labels_that_changed_have_no_pictures(qtbot, viewer, tmp_path) -> None:
    dock = compared(qtbot, viewer)
    viewer.layers["truth"].paint((1, 4, 4), 2)
    assert dock.is_stale
    assert "as the labels changed" in save(qtbot, dock, tmp_path / "report.html")


def test_tables_need_no_pictures(qtbot, viewer, tmp_path) -> None:
    viewer.layers.remove("image")
    dock = compared(qtbot, viewer)
    assert "no pictures" not in save(qtbot, dock, tmp_path / "scores.csv")


def test_the_source_of_the_segmentation_comes_first(qtbot, viewer) -> None:
    source = viewer.layers["image"]
    viewer.add_layer(Image(NOISE.max() - NOISE, scale=(3, 1, 1), name="above"))
    dock = compared(qtbot, viewer)
    assert source_of(dock, viewer).image.name == "above"
    result = viewer.layers["result"]
    stored = {"kind": "segmentation", "layer_id": str(result.unique_id)}
    stored["source_id"] = str(source.unique_id)
    result.metadata = {"segtrain": {"result": stored}}
    assert source_of(dock, viewer).image.name == "image"
    result.metadata = {}
    viewer.layers["above"].visible = False
    assert source_of(dock, viewer).image.name == "image"


def test_an_image_that_does_not_cover_the_labels_is_left_out(qtbot, viewer) -> None:
    viewer.layers.remove("image")
    viewer.add_layer(Image(NOISE[:, :, 1:], scale=(3, 1, 1)))
    viewer.add_layer(Image(NOISE, scale=(3, 2, 2)))
    dock = compared(qtbot, viewer)
    assert source_of(dock, viewer) is None


def test_a_part_is_cut_out_of_the_image(qtbot, viewer) -> None:
    viewer.layers.remove("result")
    part = volume()[2:, :, 5:].copy()
    add(viewer, part, "part", scale=(3, 1, 1), translate=(6, 0, 5))
    dock = compared(qtbot, viewer)
    found = source_of(dock, viewer)
    np.testing.assert_array_equal(found.image.array[...], NOISE[2:, :, 5:])
    np.testing.assert_array_equal(found.pair.truth.array[...], volume()[2:, :, 5:])
    assert found.pair.truth.classes is not None


def test_channels_and_colors_stay(qtbot, viewer) -> None:
    viewer.layers.remove("image")
    channels = np.stack([NOISE, NOISE + 1])
    viewer.add_layer(Image(channels, scale=(1, 3, 1, 1), name="channels"))
    dock = compared(qtbot, viewer)
    image = source_of(dock, viewer).image
    assert (image.axes, image.n_channels) == ("CZYX", 2)
    viewer.layers.remove("channels")
    rgb = np.stack([NOISE] * 3, axis=-1).astype(np.uint8)
    viewer.add_layer(Image(rgb, scale=(3, 1, 1), rgb=True))
    image = source_of(dock, viewer).image
    assert (image.axes, image.n_channels) == ("ZYXC", 3)
