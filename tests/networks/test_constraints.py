import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_segtrain.errors import ConfigError
from napari_segtrain.networks import (
    NetworkInfo,
    choose_device,
    fit_patch,
    round_up_to_grid,
)

sizes = st.tuples(*[st.integers(1, 300)] * 3)
INFO = NetworkInfo(
    dims=3,
    grid=(4, 8, 8),
    receptive_field=(41, 81, 81),
    min_size=(4, 16, 16),
    is_local=True,
    n_parameters=1,
    bytes_per_voxel=1,
    in_channels=1,
    n_classes=2,
)


@given(size=sizes, grid=st.tuples(*[st.sampled_from([1, 2, 8, 16])] * 3))
def test_rounding_up_to_the_grid(size, grid):
    rounded = round_up_to_grid(size, grid)
    for n, step, result in zip(size, grid, rounded, strict=True):
        assert result % step == 0
        assert n <= result < n + step


@given(wanted=sizes, item_shape=sizes)
def test_a_patch_fits_network_and_image(wanted, item_shape):
    patch = fit_patch(wanted, item_shape, INFO)
    limit = round_up_to_grid(item_shape, INFO.grid)
    limits = zip(patch, INFO.grid, INFO.min_size, limit, strict=True)
    for size, step, least, most in limits:
        assert size % step == 0
        assert least <= size <= max(least, most)


def test_a_patch_that_fits_is_kept():
    assert fit_patch((16, 64, 64), (60, 500, 500), INFO) == (16, 64, 64)


def test_device_auto_finds_one_and_cpu_is_always_there():
    assert choose_device("auto").type in {"cpu", "cuda", "mps"}
    assert choose_device("cpu") == torch.device("cpu")


def test_a_missing_device_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"'cuda'.*only cpu"):
        choose_device("cuda")
