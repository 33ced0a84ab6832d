"""The user's own patches, beside what augmentation makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.training.tasks import make_config, make_dataset

from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.files import make_sample
from napari_segtrain.image import IGNORE_INDEX, Image, LabelImage
from napari_segtrain.training.augmented_patches import AugmentationPreview
from napari_segtrain.workflows.training import plan_training


def preview(dataset=None, **sections):
    dataset = dataset or make_dataset()
    return AugmentationPreview(plan_training(dataset, make_config(**sections)), dataset)


def blocks(n_channels: int, dtype=np.uint8) -> Dataset:
    """An image whose channels are its label, in different ranges."""
    labels = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((12, 12))).astype(np.uint8)
    scales = np.array([40, 80, 120, 20, 50])[:n_channels, None, None]
    image = (labels * scales + 10).astype(dtype)
    return Dataset(
        (make_sample(Image(image, "CYX", name="a"), LabelImage(labels, "YX")),)
    )


def all_images(patches):
    return [v.image for patch in patches for v in patch.versions]


def test_each_patch_comes_as_it_is_and_changed() -> None:
    shown = preview(augmentation={"preset": "strong"}).draw(0)
    assert len(shown) == 3
    for patch in shown:
        first, *others = patch.versions
        assert first.changes == ()
        assert len(others) == 3
        assert patch.name.startswith("disks")
        for version in patch.versions:
            assert version.image.shape == (1, 48, 48)
            assert version.image.dtype == version.truth.dtype == np.uint8
            is_same = np.array_equal(version.image, first.image)
            assert is_same == (version.changes == ())


def test_without_augmentation_all_versions_are_the_patch() -> None:
    for patch in preview(augmentation={"preset": "none"}).draw(0):
        for version in patch.versions:
            np.testing.assert_array_equal(version.image, patch.versions[0].image)
            np.testing.assert_array_equal(version.truth, patch.versions[0].truth)


def test_the_same_seed_shows_the_same_and_another_other_patches() -> None:
    source = preview()
    first, again, other = (all_images(source.draw(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_change_of_brightness_is_seen() -> None:
    settings = {"preset": "none", "brightness": 2}
    settings["intensity"] = {"brightness_probability": 1}
    for patch in preview(augmentation=settings).draw(0):
        means = [version.image.mean() for version in patch.versions]
        assert max(abs(mean - means[0]) for mean in means[1:]) > 20


def test_warps_look_at_the_image_around_the_patch() -> None:
    settings = {"preset": "none", "affine_probability": 1, "max_rotation": 45}
    data = blocks(1)
    source = preview(data, augmentation=settings, validation={"kind": "none"})
    n_moved = 0
    for patch in source.draw(0, n_patches=8):
        for version in patch.versions[1:]:
            n_moved += "rotation" in version.changes
            is_known = version.truth != IGNORE_INDEX
            assert is_known.mean() > 0.5
            bright = version.image[0] > 127
            assert (bright == (version.truth == 1))[is_known].mean() > 0.9
    assert n_moved


def test_of_volumes_the_middle_slice_is_shown() -> None:
    data = make_dataset(2, (24, 64, 64))
    source = preview(
        data, network={"dims": 3}, sampling={"patch_size": [8, 32, 32]},
        augmentation={"preset": "none"},
    )  # fmt: skip
    raw = [np.asarray(sample.image.array) for sample in data.samples]
    for patch in source.draw(0):
        plane = raw[int(patch.name[-1])][patch.z].astype(float)
        first = patch.versions[0].image[0]
        assert first.shape == (32, 32)
        windows = np.lib.stride_tricks.sliding_window_view(plane, (32, 32))
        inside = (first > 0) & (first < 255)
        assert any(
            np.corrcoef(window[inside], first[inside])[0, 1] > 0.999
            for row in windows[::1]
            for window in row
        )


@pytest.mark.parametrize("n_channels", [2, 3, 5])
def test_all_channels_are_shown(n_channels) -> None:
    data = blocks(n_channels)
    [patch] = preview(data, validation={"kind": "none"}).draw(0, n_patches=1)
    assert {v.image.shape for v in patch.versions} == {(n_channels, 48, 48)}


def test_colors_share_a_range_and_other_channels_have_their_own() -> None:
    keep = {"method": "none"}
    options = {"validation": {"kind": "none"}, "normalization": keep}
    [color] = preview(blocks(3), **options).draw(0, n_patches=1)
    peaks = color.versions[0].image.max(axis=(1, 2)).tolist()
    assert peaks[0] < peaks[1] < peaks[2] == 255
    [other] = preview(blocks(3, np.uint16), **options).draw(0, n_patches=1)
    assert other.versions[0].image.max(axis=(1, 2)).tolist() == [255] * 3
