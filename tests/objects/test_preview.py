"""The preview shows what will come out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_segtrain.config import SeparationConfig
from napari_segtrain.objects.preview import preview_objects
from napari_segtrain.objects.preview_part import plan_preview
from napari_segtrain.objects.separation import separate_objects


def blobs(size: int) -> np.ndarray:
    noise = np.random.default_rng(3).normal(size=(size, size))
    smooth = ndimage.gaussian_filter(noise, 8)
    return (smooth > np.quantile(smooth, 0.75))[np.newaxis]


def test_what_is_seen_is_looked_at_with_a_margin() -> None:
    part = plan_preview((1000, 2000), (slice(0, 100), slice(500, 600)))
    assert part.window == (slice(0, 164), slice(436, 664))
    assert part.step == 1


def test_a_large_part_is_looked_at_coarsely() -> None:
    part = plan_preview((2048, 2048))
    assert (part.window, part.step) == ((slice(0, 2048), slice(0, 2048)), 2)
    assert plan_preview((2049, 2048)).step == 3


@pytest.mark.parametrize(
    "config",
    [
        SeparationConfig(min_voxels=40, max_voxels=900),
        SeparationConfig(method="distances"),
        SeparationConfig(method="erosion", smoothing=1.5),
        SeparationConfig(drop_border=True),
    ],
)
def test_a_whole_slice_is_as_it_will_be(config: SeparationConfig) -> None:
    mask = blobs(200)
    part = plan_preview((200, 200))
    found = preview_objects({"a": mask[(slice(None), *part.key)]}, config, part)
    np.testing.assert_array_equal(found.ids, separate_objects(mask, config))
    assert len(found.class_names) == len(found.labels) == found.ids.max()


def test_only_the_edge_of_the_image_drops_objects() -> None:
    mask = np.zeros((1, 300, 300), bool)
    mask[0, 100:200, 100:200] = True
    mask[0, 0:20, 150:170] = True
    part = plan_preview((300, 300), (slice(0, 60), slice(140, 180)))
    config = SeparationConfig(drop_border=True)
    found = preview_objects({"a": mask[(slice(None), *part.key)]}, config, part)
    assert found.labels.tolist() == [1]
    assert found.ids[0, -1, 50] == 1


def test_a_coarse_part_counts_about_the_same() -> None:
    mask = blobs(600)
    config = SeparationConfig(method="distances", min_voxels=60)
    part = plan_preview((600, 600), max_pixels=300 * 300)
    assert part.step == 2
    found = preview_objects({"a": mask[(slice(None), *part.key)]}, config, part)
    whole = separate_objects(mask, config)
    assert len(found.labels) == pytest.approx(int(whole.max()), rel=0.1)
