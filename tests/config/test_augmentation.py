from __future__ import annotations

from dataclasses import asdict, fields, is_dataclass

import pytest

from napari_segtrain.config import (
    AugmentationConfig,
    dump_yaml,
    load_yaml,
    parse_experiment,
)
from napari_segtrain.config.presets import (
    PRESETS,
    Augmentation,
    Color,
    complete_augmentation,
    flat_values,
    plan_augmentation,
)
from napari_segtrain.errors import ConfigError

PATHS = sorted(flat_values(asdict(Augmentation())))
OTHER = {"flips": False, "rotations": False, "geometry.interpolation": "cubic"}


def config(values, preset="light"):
    nested = {"preset": preset}
    for path, value in values.items():
        section, _, name = path.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[name] = value
    parsed = parse_experiment({"augmentation": nested}, source="test")
    return parsed.augmentation


def complete(values, preset="light"):
    return flat_values(asdict(complete_augmentation(config(values, preset))))


def planned(values, preset="strong", channels=("", "", ""), is_2d=False):
    return plan_augmentation(config(values, preset), channels=channels, is_2d=is_2d)


def test_every_setting_has_a_value_without_auto():
    settings = flat_values(AugmentationConfig().model_dump(exclude={"preset"}))
    assert sorted(settings) == PATHS
    for preset in PRESETS:
        assert "auto" not in complete({}, preset).values()


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_what_auto_means_and_are_read_back(preset):
    yaml = f"augmentation:\n  preset: {preset}\n"
    read = parse_experiment(load_yaml(yaml, source="x"), source="x").augmentation
    assert complete_augmentation(read) == PRESETS[preset]
    again = AugmentationConfig.model_validate(load_yaml(dump_yaml(read), source="x"))
    assert again == read


def test_an_unknown_preset_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match=r"augmentation\.preset: .*deepmib"):
        parse_experiment({"augmentation": {"preset": "heavy"}}, source="x")


def test_settings_of_an_older_release_mean_the_same():
    old = {
        "flips": True, "rotations": True, "affine_probability": 0.2,
        "max_rotation": 15.0, "max_scale": 1.2, "brightness": 0.2, "contrast": 0.25,
        "noise": 0.05,
    }  # fmt: skip
    assert complete_augmentation(config(old)) == PRESETS["light"]
    values = complete(old)
    assert values["geometry.rotation_probability"] == 1
    assert values["geometry.scale_probability"] == 1
    for name in ("brightness", "contrast", "noise"):
        assert values[f"intensity.{name}_probability"] == 1
    new = [path for path in PATHS if path.endswith("_probability")]
    used = {
        "affine_probability", "geometry.rotation_probability",
        "geometry.scale_probability", "geometry.flip_probability",
        "geometry.turn_probability", "intensity.brightness_probability",
        "intensity.contrast_probability", "intensity.noise_probability",
    }  # fmt: skip
    assert all(values[path] == 0 for path in new if path not in used)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("path", PATHS)
def test_what_is_given_comes_before_the_preset(path, preset):
    usual = complete({}, preset)
    value = usual[path]
    if isinstance(value, bool):
        other = not value
    elif path == "geometry.interpolation":
        other = "linear" if value == "cubic" else "cubic"
    else:
        other = 1.3 if "scale" in path and "max" in path else value * 0.9 or 1
    changed = complete({path: other}, preset)
    assert changed[path] == other
    assert other != value


@pytest.mark.parametrize("path", PATHS)
def test_a_range_without_a_probability_brings_one(path):
    """Under the preset "none" every setting but modifiers switches its change on."""
    modifiers = {"geometry.interpolation", "geometry.in_depth"}
    values = complete({}, "none")
    given = complete({path: OTHER.get(path, values[path] or 1)}, "none")
    is_on = any(
        bool(given[name]) and not values[name]
        for name in PATHS
        if name.endswith(("probability", "flips", "rotations"))
    )
    if path not in modifiers | {"flips", "rotations"}:
        assert is_on
    assert complete({path: 0}, "none")[path] == 0 if "probability" in path else True


def test_a_warp_is_made_when_any_of_its_parts_is_asked_for():
    only_shear = complete({"geometry.max_shear": 20}, "none")
    assert only_shear["affine_probability"] > 0
    assert only_shear["geometry.shear_probability"] > 0
    assert only_shear["geometry.rotation_probability"] == 0
    affine = complete({"affine_probability": 0.5}, "none")
    assert affine["geometry.rotation_probability"] == 1
    assert complete({"affine_probability": 0, "max_rotation": 9}, "none")[
        "affine_probability"
    ] == 0  # fmt: skip


@pytest.mark.parametrize("channels", [("",), ("", ""), ("DAPI", "GFP", "RFP")])
def test_a_preset_leaves_colors_alone_where_channels_are_no_colors(channels):
    assert planned({}, channels=channels).color == Color()
    assert planned({}).color == PRESETS["strong"].color
    named = planned({}, channels=("Red", "Green", "Blue"))
    assert named.color == PRESETS["strong"].color


def test_colors_that_are_asked_for_need_three_channels():
    asked = {"color.hue_probability": 0.5}
    assert planned(asked, channels=("DAPI", "GFP", "RFP")).color.hue_probability == 0.5
    with pytest.raises(ConfigError, match=r"color\.hue_probability .* 2 channels"):
        planned(asked, channels=("", ""))
    planned({"color.hue_probability": 0}, channels=("",))


def test_faults_of_stacks_that_are_asked_for_need_volumes():
    with pytest.raises(ConfigError, match=r"stack\.jump .*network\.dims to 3"):
        planned({"stack.jump": 1}, is_2d=True)
    planned({"stack.jump": 1})
    planned({}, is_2d=True)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("geometry.flip_probability", 1.1),
        ("geometry.max_shear", 50),
        ("geometry.elastic_spacing", 1),
        ("intensity.max_gamma", 0.5),
        ("intensity.cutout", 2),
        ("color.max_hue", -1),
        ("stack.max_shift", 100),
    ],
)
def test_what_is_out_of_bounds_is_named(path, value):
    with pytest.raises(ConfigError, match=rf"augmentation\.{path}: "):
        config({path: value})


def test_every_class_documents_its_fields():
    def models(model):
        yield model
        for field in model.model_fields.values():
            if hasattr(field.annotation, "model_fields"):
                yield from models(field.annotation)

    for model in models(AugmentationConfig):
        assert all(field.description for field in model.model_fields.values())
    assert all(
        is_dataclass(getattr(Augmentation(), field.name)) or field.name in PATHS
        for field in fields(Augmentation)
    )
