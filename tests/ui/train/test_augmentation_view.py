"""The user's own patches as augmentation changes them, in the Train dock."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from tests.training.tasks import disks, make_config

from napari_segtrain.ui.train.training_widget import TrainingWidget

WAIT = 30_000


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    image, labels = disks((96, 96), 0)
    viewer.add_image(image, name="disks")
    viewer.add_labels(labels, name="truth")
    return viewer


@pytest.fixture
def open_page(qtbot):
    """Opens the Train dock of a viewer, with the augmentation unfolded."""
    docks = []

    def open_(viewer, **augmentation):
        dock = TrainingWidget(viewer)
        docks.append(dock)
        qtbot.addWidget(dock)
        set_augmentation(dock.setup_page, **augmentation)
        dock.resize(400, 900)
        dock.show()
        dock.setup_page.form.unfold("augmentation")
        return dock.setup_page

    return open_


def set_augmentation(page, **settings) -> None:
    page.form.set_config(make_config(augmentation=settings))


def unfold(qtbot, page) -> None:
    page.preview.unfold()
    qtbot.waitUntil(lambda: bool(page.augmentation.rows.captions), timeout=WAIT)


def first_images(page):
    [row, *_] = page.augmentation.rows.shown
    return row.images


def wait_for_others(qtbot, page, images) -> None:
    qtbot.waitUntil(lambda: first_images(page) is not images, timeout=WAIT)


def test_patches_are_shown_as_they_are_and_changed(qtbot, open_page, viewer) -> None:
    page = open_page(viewer, preset="strong")
    unfold(qtbot, page)
    view = page.augmentation
    assert view.rows.captions == ["disks"] * 3
    for row in view.rows.shown:
        first, *others = row.images
        assert len(others) == 3
        assert any(image != first for image in others)
        assert row.titles == ("as it is", "changed", "changed", "changed")
        assert any("," in text or " " in text for text in row.details[1:])
    assert "foreground" in view.text.text()
    assert view.minimumSizeHint().width() <= 360


def test_nothing_is_drawn_out_of_sight(qtbot, open_page, viewer) -> None:
    page = open_page(viewer)
    qtbot.waitUntil(lambda: bool(page.plan_view.details.text()), timeout=WAIT)
    qtbot.wait(50)
    assert page.augmentation.rows.captions == []
    unfold(qtbot, page)


def test_they_follow_the_settings(qtbot, open_page, viewer) -> None:
    page = open_page(viewer, preset="strong")
    unfold(qtbot, page)
    images = first_images(page)
    set_augmentation(page, preset="none")
    wait_for_others(qtbot, page, images)
    first, *others = first_images(page)
    assert first == images[0]
    assert all(image == first for image in others)
    assert "not changed" in page.augmentation.text.text()


def test_other_patches(qtbot, open_page, viewer) -> None:
    page = open_page(viewer, preset="none")
    unfold(qtbot, page)
    images = first_images(page)
    qtbot.mouseClick(page.augmentation.other_button, Qt.MouseButton.LeftButton)
    wait_for_others(qtbot, page, images)
    assert first_images(page)[0] != images[0]


def test_without_labels_a_sentence_says_so(qtbot, open_page, viewer) -> None:
    page = open_page(viewer)
    unfold(qtbot, page)
    layer = viewer.layers["truth"]
    layer.data = np.zeros_like(layer.data)
    view = page.augmentation
    qtbot.waitUntil(lambda: view.rows.captions == [], timeout=WAIT)
    assert "as soon as there is a plan" in view.text.text()
    assert not view.other_button.isVisible()
    assert "empty" in " ".join(page.plan_view.remarks())


def test_an_image_that_cannot_be_read_is_a_sentence(
    qtbot, open_page, viewer, monkeypatch
) -> None:
    def broken(*_args, **_options):
        raise OSError("the disk is gone")

    page = open_page(viewer)
    qtbot.waitUntil(lambda: bool(page.plan_view.details.text()), timeout=WAIT)
    name = "napari_segtrain.data.sampling.PatchReader.read"
    monkeypatch.setattr(name, broken)
    page.preview.unfold()
    view = page.augmentation
    qtbot.waitUntil(lambda: "the disk is gone" in view.text.text(), timeout=WAIT)


@pytest.mark.parametrize(
    ("shape", "rgb"), [((96, 96, 3), True), ((24, 64, 64), False)]
)  # fmt: skip
def test_colors_and_volumes(qtbot, open_page, shape, rgb) -> None:
    plane, labels = disks(shape[:2] if rgb else shape, 0)
    viewer = ViewerModel()
    image = np.stack([plane, plane // 2, plane // 4], -1) if rgb else plane
    viewer.add_image(image, rgb=rgb, name="a")
    viewer.add_labels(labels)
    page = open_page(viewer)
    unfold(qtbot, page)
    captions = page.augmentation.rows.captions
    assert all(
        caption.startswith("a · slice" if not rgb else "a") for caption in captions
    )
    assert first_images(page)[0].width() == 48
    pixel = first_images(page)[0].pixelColor(24, 24)
    assert (pixel.hsvSaturation() > 0) == rgb
