import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segtrain.errors import DataError
from napari_segtrain.inference import resampling
from napari_segtrain.inference.resampling import Resampling, cut, resampled
from napari_segtrain.io.lazy import BlockArray

RATIOS = st.sampled_from([0.3, 0.5, 0.77, 1.0, 1.3, 2.0, 2.5, 4.1])


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def middles(n, ratio):
    """Places of the middles of voxels, in voxels of the source from its corner."""
    return (np.arange(n) + 0.5) * ratio


@pytest.mark.parametrize("ratio", [0.3, 0.77, 1.0, 1.3, 2.5, 4.1])
def test_a_ramp_keeps_its_place(ratio):
    """A voxel that says where its middle lies still does on another grid."""
    ramp = middles(60, 1.0).astype(np.float32)
    found = np.asarray(resampled(ramp, "X", (ratio,)))
    expected = middles(len(found), ratio)
    assert len(found) == round(60 / ratio)
    inner = (expected > 0.5) & (expected < 60 - max(0.5, ratio))
    # a voxel of which a part counts is as bright there as in its middle
    error = 0.126 / ratio if ratio > 1 else 1e-5
    np.testing.assert_allclose(found[inner], expected[inner], atol=error)


def test_voxels_that_grow_are_means():
    image = noise(6, 9)
    found = np.asarray(resampled(image, "YX", (2.0, 3.0)))
    expected = image.reshape(3, 2, 3, 3).mean((1, 3))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_part_of_a_voxel_counts_in_part():
    found = np.asarray(resampled(np.array([0, 3, 9], np.uint8), "X", (1.5,)))
    np.testing.assert_allclose(found, [1, 7])  # (0 + 3/2) / 1.5, (3/2 + 9) / 1.5


def test_voxels_that_shrink_are_interpolated_as_torch_does_it():
    image = noise(7, 5)
    found = np.asarray(resampled(image, "YX", (0.5, 0.25)))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(image)[None, None], scale_factor=(2, 4), mode="bilinear"
    )
    np.testing.assert_allclose(found, expected[0, 0].numpy(), atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), ratios=st.tuples(RATIOS, RATIOS, RATIOS))
def test_a_box_is_as_in_the_whole(data, ratios):
    image = noise(11, 17, 14)
    view = resampled(image, "ZYX", ratios)
    box = []
    for n in view.shape:
        start = data.draw(st.integers(0, n - 1))
        box.append(slice(start, data.draw(st.integers(start + 1, n))))
    np.testing.assert_allclose(
        view[tuple(box)], np.asarray(view)[tuple(box)], atol=1e-5
    )


def test_channels_are_left_alone_and_the_type_holds_the_values():
    image = np.stack([noise(8, 8), noise(8, 8, seed=1)], axis=-1)
    found = np.asarray(resampled(image, "YXC", (2.0, 2.0, 1.0)))
    for channel in range(2):
        alone = np.asarray(resampled(image[..., channel], "YX", (2.0, 2.0)))
        np.testing.assert_allclose(found[..., channel], alone, atol=1e-6)
    large = np.full((4, 4), 2**31 - 1, np.int32)
    assert np.asarray(resampled(large, "YX", (2.0, 2.0)))[0, 0] == 2**31 - 1


def test_only_what_is_needed_is_read_and_never_much_at_once(monkeypatch):
    image, reads = noise(64, 64, 64), []

    def read(box):
        reads.append(box)
        return image[box]

    monkeypatch.setattr(resampling, "_MAX_READ", 4096)
    view = resampled(BlockArray(image.shape, image.dtype, read), "ZYX", (2.0, 2.0, 0.5))
    assert not reads
    whole = np.asarray(view)
    sizes = [math.prod(part.stop - part.start for part in box) for box in reads]
    assert len(reads) > 1
    assert max(sizes) < 2 * 4096
    assert sum(sizes) < 2 * image.size
    reads.clear()
    part = view[3:5, 10:12, 40:44]
    np.testing.assert_allclose(part, whole[3:5, 10:12, 40:44], atol=1e-6)
    assert [p.start >= b for p, b in zip(reads[0], (6, 20, 19), strict=True)] == [1] * 3
    assert [p.stop <= b for p, b in zip(reads[0], (11, 25, 23), strict=True)] == [1] * 3


def test_what_is_no_number_is_found_where_it_is():
    image = noise(3, 40, 40)
    image[1, 30, 20] = np.nan
    view = resampled(image, "ZYX", (1.0, 2.0, 2.0))
    assert np.isfinite(view[:, :10]).all()
    with pytest.raises(DataError, match="first at z=1, y=30, x=20"):
        view[1:2, 10:]


@settings(deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, 40)] * 3),
    ratios=st.tuples(RATIOS, RATIOS, RATIOS),
    limit=st.integers(1, 5000),
    is_sliced=st.booleans(),
)
def test_parts_cover_a_box_once(sizes, ratios, limit, is_sliced):
    box = tuple(slice(3, 3 + n) for n in sizes)
    seen = np.zeros([n + 3 for n in sizes], int)
    parts = cut(box, ratios, limit, is_sliced=is_sliced)
    for part in parts:
        seen[part] += 1
        lengths = [part[i].stop - part[i].start for i in range(3)]
        grown = [n * max(1, r) for n, r in zip(lengths, ratios, strict=True)]
        assert math.prod(grown) <= limit or lengths == [1, 1, 1]
        if is_sliced and lengths[1:] != list(sizes[1:]):
            assert lengths[0] == 1
    assert (seen[box] == 1).all()
    assert seen.sum() == math.prod(sizes)


def test_back_and_forth_has_the_same_size():
    there = Resampling((2.3, 0.7), (50, 31))
    back = Resampling((1 / 2.3, 1 / 0.7), there.shape)
    whole = (slice(0, 50), slice(0, 31))
    values = back.apply(noise(*there.shape), whole)
    assert values.shape == (50, 31)
    assert back.source(whole) == tuple(slice(0, n) for n in there.shape)
