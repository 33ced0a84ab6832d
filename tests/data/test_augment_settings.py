"""Every setting changes what training sees, and the names say what was done."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from napari_segtrain.config.presets import (
    PRESETS,
    Augmentation,
    Color,
    Geometry,
    Intensity,
    StackFaults,
    flat_values,
)
from napari_segtrain.data.augment import show_augmented
from napari_segtrain.image import IGNORE_INDEX

MARGIN = (10, 16, 16)
EVERYTHING = Augmentation(
    flips=True,
    rotations=True,
    affine_probability=1,
    geometry=Geometry(
        flip_probability=0.8, rotation_probability=1, scale_probability=1,
        axis_scale_probability=1, shear_probability=1, elastic_probability=1,
        max_displacement=3, elastic_spacing=12, in_depth=True,
    ),
    intensity=Intensity(
        brightness_probability=1, contrast_probability=1, gamma_probability=1,
        noise_probability=1, poisson_probability=1, blur_probability=1,
        sharpen_probability=1, low_resolution_probability=1, cutout_probability=1,
    ),
    color=Color(hue_probability=1, saturation_probability=1),
    stack=StackFaults(shift_probability=1, missing_probability=1, jump_probability=1),
)  # fmt: skip
NAMES = {
    "rotation", "scale", "stretch", "shear", "elastic", "slice shift", "brightness",
    "contrast", "gamma", "noise", "Poisson noise", "blur", "sharpening",
    "low resolution", "cutout", "hue", "saturation", "missing slice", "intensity jump",
}  # fmt: skip
VALUES = {
    "geometry.flip_probability": 0.1, "geometry.turn_probability": 0.1,
    "geometry.interpolation": "cubic", "max_rotation": 40, "max_scale": 1.6,
    "geometry.max_axis_scale": 1.5, "geometry.elastic_spacing": 20,
    "intensity.max_gamma": 3, "intensity.max_reduction": 4, "color.max_hue": 90,
}  # fmt: skip


def patches(n=4, depth=6, n_channels=3, seed=0):
    rng = np.random.default_rng(seed)
    z, y, x = (s + 2 * m for s, m in zip((depth, 20, 20), MARGIN, strict=True))
    z = z if depth > 1 else 1
    return [
        (
            rng.normal(size=(n_channels, z, y, x)).astype(np.float32),
            rng.integers(0, 3, (z, y, x)).astype(np.uint8),
        )
        for _ in range(n)
    ]


def shown(settings, given=None, **options):
    given = patches() if given is None else given
    options = {"in_plane": False} | options
    depth = given[0][1].shape[0]
    size = (1 if depth == 1 else depth - 2 * MARGIN[0], 20, 20)
    return show_augmented(
        [reader(*patch) for patch in given], settings, size, **options
    )


def reader(image, target):
    """Of a patch whose surroundings are known up to `MARGIN`, unlabelled beyond."""
    known = (MARGIN[0] if len(target) > 1 else 0, *MARGIN[1:])

    def read(margin):
        widths = [(max(0, m - k),) * 2 for m, k in zip(margin, known, strict=True)]
        wide = np.pad(image, [(0, 0), *widths], mode="edge")
        labels = np.pad(target, widths, constant_values=IGNORE_INDEX)
        rest = [max(0, k - m) for m, k in zip(margin, known, strict=True)]
        inner = tuple(slice(r, n - r) for r, n in zip(rest, labels.shape, strict=True))
        return wide[(slice(None), *inner)], labels[inner]

    return read


def same(first, second):
    return all(
        np.array_equal(a.image, b.image) and np.array_equal(a.target, b.target)
        for a, b in zip(first, second, strict=True)
    )


def with_value(path, value):
    section, _, name = path.rpartition(".")
    if not section:
        return replace(EVERYTHING, **{name: value})
    inner = replace(getattr(EVERYTHING, section), **{name: value})
    return replace(EVERYTHING, **{section: inner})


@pytest.mark.parametrize("path", sorted(flat_values(asdict(EVERYTHING))))
def test_every_setting_has_an_effect(path):
    value = flat_values(asdict(EVERYTHING))[path]
    if isinstance(value, bool):
        other = not value
    elif path in VALUES:
        other = VALUES[path]
    else:
        other = 0 if path.endswith("probability") else value * 0.5
    in_plane = path == "geometry.interpolation"
    changed = with_value(path, other)
    usual = shown(EVERYTHING, in_plane=in_plane)
    assert same(usual, shown(EVERYTHING, in_plane=in_plane))
    assert not same(usual, shown(changed, in_plane=in_plane))


def test_volumes_are_bent_in_depth_only_where_they_may_be():
    assert not same(shown(EVERYTHING), shown(EVERYTHING, in_plane=True))


def test_everything_is_named():
    for patch in shown(EVERYTHING):
        assert set(patch.names) >= NAMES
        assert all(name.startswith(("flip", "turn")) for name in patch.names
                   if name not in NAMES)  # fmt: skip


def test_names_say_what_was_done_to_whom():
    settings = PRESETS["strong"]
    for (image, target), patch in zip(
        patches(40), shown(settings, patches(40)), strict=True
    ):
        inner = tuple(slice(m, -m) for m in MARGIN)
        is_same = np.array_equal(patch.image, image[(slice(None), *inner)])
        assert is_same == (not patch.names)
        geometric = {"rotation", "scale", "stretch", "shear", "elastic", "slice shift"}
        is_moved = any(
            name in geometric or name.startswith(("flip", "turn"))
            for name in patch.names
        )
        if not is_moved:
            np.testing.assert_array_equal(patch.target, target[inner])


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("depth", [1, 6])
@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_presets_work_on_any_patch(preset, depth, n_channels):
    given = patches(6, depth, n_channels)
    before = [(image.copy(), target.copy()) for image, target in given]
    for patch in shown(PRESETS[preset], given):
        assert patch.image.shape == (n_channels, depth, 20, 20)
        assert patch.target.shape == (depth, 20, 20)
        assert (patch.image.dtype, patch.target.dtype) == (np.float32, np.uint8)
        assert np.isfinite(patch.image).all()
        assert set(np.unique(patch.target)) <= {0, 1, 2, IGNORE_INDEX}
        if preset == "none":
            assert patch.names == ()
    for (a, b), (c, d) in zip(given, before, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)


def test_every_channel_is_warped_in_the_same_way():
    settings = replace(
        EVERYTHING, intensity=Intensity(), color=Color(),
        stack=StackFaults(shift_probability=1),
    )  # fmt: skip
    image, target = patches(1, n_channels=1)[0]
    many = [(np.concatenate([image, 2 * image, -image]), target)]
    shape = shown(settings, many)[0].image
    np.testing.assert_allclose(shape[1], 2 * shape[0], atol=1e-5)
    np.testing.assert_allclose(shape[2], -shape[0], atol=1e-5)


def test_other_seeds_show_other_changes():
    assert same(shown(EVERYTHING, seed=[3]), shown(EVERYTHING, seed=[3]))
    assert not same(shown(EVERYTHING, seed=[3]), shown(EVERYTHING, seed=[4]))


def test_all_sixteen_orientations_of_cdeep3m_occur_equally_often():
    cube = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    given = [lambda _: (cube, cube[0].astype(np.uint8))] * 800
    settings = replace(PRESETS["cdeep3m"], affine_probability=0, intensity=Intensity())
    seen = {}
    for patch in show_augmented(given, settings, (2, 2, 2)):
        key = tuple(patch.image.ravel())
        seen[key] = seen.get(key, 0) + 1
    assert len(seen) == 16
    assert min(seen.values()) > 25
