"""Whether an image is like the training data of a model."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_segtrain.config import InferenceConfig, NormalizationConfig
from napari_segtrain.data.normalize import Normalization, plan_normalization
from napari_segtrain.data.seen_intensities import SeenIntensities, see_intensities
from napari_segtrain.image import Image, Item
from napari_segtrain.inference.likeness import (
    differences_from_training,
    remarks,
    sample_image,
)
from napari_segtrain.io.lazy import BlockArray


def blobs(size, seed):
    """Few bright blobs on a dark ground, uint8."""
    noise = np.random.default_rng(seed).normal(size=(size, size))
    smooth = gaussian_filter(noise, 4, mode="wrap")
    return np.clip(20 + 400 * np.maximum(0, smooth - 0.04) * 5, 0, 255).astype(np.uint8)


def fluorescence(n, seed=0):
    return np.stack([blobs(96, 100 * seed + z) for z in range(n)])


def items_of(arrays):
    return [Item(array, "ZYX"[-array.ndim :]) for array in arrays]


@dataclass(frozen=True)
class Trained:
    dims: int | None = 2
    voxel_size: tuple[float, ...] | None = None
    channel_names: tuple[str, ...] = ()
    normalization: Normalization | None = None
    intensities: SeenIntensities | None = None


def trained(arrays, **facts):
    items = items_of(arrays)
    rule, maps = plan_normalization(items, NormalizationConfig())
    used = [(True,) * item.shape[0] for item in items]
    seen = see_intensities(rule, items, used, maps)
    return Trained(normalization=rule, intensities=seen, **facts)


def kinds(model, image, sample=None):
    return [each.kind for each in differences_from_training(model, image, sample)]


@pytest.mark.parametrize(
    ("ours", "theirs", "dims", "differs"),
    [
        ((0.1, 0.1), (0.2, 0.2), 2, True),
        ((0.1, 0.1), (0.14, 0.1), 2, False),
        ((0.1, 0.16), (0.1, 0.1), 2, True),
        ((3.0, 0.1, 0.1), (0.1, 0.1), 2, False),
        ((3.0, 0.1, 0.1), (1.0, 0.1, 0.1), 2, False),
        ((3.0, 0.1, 0.1), (1.0, 0.1, 0.1), 3, True),
        (None, (0.1, 0.1), 2, False),
        ((0.1, 0.1), None, 2, False),
    ],
)
def test_voxel_size(ours, theirs, dims, differs):
    shape = (4, 8, 8) if ours and len(ours) == 3 else (8, 8)
    image = Image(np.zeros(shape), "ZYX"[-len(shape) :], ours, name="cells")
    found = differences_from_training(Trained(dims, theirs), image)
    assert [each.remedy for each in found] == ["rescale"] * differs
    assert all("voxels of cells are 0.1" in each.text for each in found[: ours == 2])


def test_order_of_channels():
    model = Trained(channel_names=("DNA", "RNA"))
    image = Image(np.zeros((2, 8, 8)), "CYX", channel_names=("rna", "dna "))
    (found,) = differences_from_training(model, image)
    assert (found.kind, found.remedy) == ("channels", "")
    assert "are rna, dna , but the model was trained on DNA, RNA" in found.text
    assert not kinds(model, replace(image, channel_names=("dna", "rna")))
    assert not kinds(model, replace(image, channel_names=("actin", "dna")))
    assert not kinds(model, replace(image, channel_names=()))
    assert not kinds(Trained(), image)


@pytest.mark.parametrize("n_arrays", [1, 6])
def test_intensities(n_arrays):
    model = trained([fluorescence(3, seed) for seed in range(n_arrays)])

    def found(array):
        image = Image(array, "ZYX", name="cells")
        return differences_from_training(model, image, sample_image(image))

    other = fluorescence(3, seed=9)
    assert not found(other)
    assert not found(other[1:2])
    (difference,) = found(255 - other)
    assert (difference.kind, difference.remedy) == ("intensities", "")
    assert (
        "The intensities of cells are unlike those of the training" in difference.text
    )
    grain = np.random.default_rng(0).normal(128, 30, (3, 96, 96)).clip(0, 255)
    assert found(grain.astype(np.uint8))


def test_which_channel_is_told():
    both = np.stack([fluorescence(2), fluorescence(2, 1)])
    items = [Item(both, "CZYX")]
    rule, maps = plan_normalization(items, NormalizationConfig())
    seen = see_intensities(rule, items, [(True, True)], maps)
    model = Trained(normalization=rule, intensities=seen, channel_names=("DNA", "RNA"))
    both[1] = 255 - both[1]
    image = Image(both, "CZYX", name="cells")
    (found,) = differences_from_training(model, image, sample_image(image))
    assert "cells in channel 2 (RNA) are" in found.text


def test_what_is_not_known_is_not_compared():
    image = Image(255 - fluorescence(2), "ZYX")
    model = trained([fluorescence(3)])
    sample = sample_image(image)
    assert kinds(model, image, sample) == ["intensities"]
    assert not kinds(model, image)
    assert not kinds(replace(model, intensities=None), image, sample)
    assert not kinds(replace(model, normalization=None), image, sample)
    broken = sample.astype(np.float32)
    broken[0, 0, 0, 0] = np.inf
    assert not kinds(model, image, broken)


def test_little_of_a_huge_image_is_read():
    n_read = 0

    def read(box):
        nonlocal n_read
        shape = [part.stop - part.start for part in box]
        n_read += np.prod(shape)
        return np.zeros(shape, np.uint8)

    shape = (50, 2, 40_000, 60_000, 60_000)
    image = Image(BlockArray(shape, np.dtype(np.uint8), read), "TCZYX")
    sample = sample_image(image)
    assert n_read == sample.size <= 2 * (1 << 20)
    assert sample.shape[0] == 2


def test_remarks_leave_out_what_is_mended():
    image = Image(255 - fluorescence(2), "ZYX", (1.0, 0.1, 0.1))
    model = trained([fluorescence(3)], voxel_size=(0.2, 0.2))
    texts = remarks([model, model], image, InferenceConfig())
    assert [text.split()[1] for text in texts] == ["voxels", "intensities"]
    texts = remarks([model], image, InferenceConfig(rescale=True))
    assert [text.split()[1] for text in texts] == ["intensities"]
