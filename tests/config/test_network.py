import pytest

from napari_segtrain.config import (
    DeepEM3DConfig,
    UNet3DConfig,
    UNet25DConfig,
    UNetConfig,
    network_words,
    view_words,
)


@pytest.mark.parametrize(
    ("config", "view", "words"),
    [
        (UNetConfig(dims=2, depth=3), "2D", "unet 2D, depth 3"),
        (UNetConfig(dims=3, flat_levels=2), "3D", "unet 3D"),
        (UNet25DConfig(dims=3, slices=5), "2.5D", "unet-2.5d, 5 slices"),
        (UNet3DConfig(dims=3), "3D", "unet-3d,"),
        (DeepEM3DConfig(dims=2, slices=1), "2D", "deepem3d 2D"),
        (DeepEM3DConfig(dims=3, slices=3), "2.5D", "deepem3d 2.5D, 3 slices"),
    ],
)
def test_networks_are_named_by_what_they_see(config, view, words):
    assert view_words(config) == view
    assert network_words(config).startswith(words)
