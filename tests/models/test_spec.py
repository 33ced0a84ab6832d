from __future__ import annotations

import time
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.models.helpers import make_spec

from napari_segtrain.config import DistancesTarget, UNetConfig
from napari_segtrain.data.intensity_map import IntensityMap
from napari_segtrain.data.normalize import Normalization
from napari_segtrain.data.object_recipe import ObjectRecipe
from napari_segtrain.data.seen_intensities import LEVELS, SeenIntensities
from napari_segtrain.errors import ModelError
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.models import Decision, TileCalibration, dump_spec, parse_spec
from napari_segtrain.models.calibration import joined_calibration

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=9)
numbers = st.floats(allow_nan=False, allow_infinity=False)


def parse(text):
    return parse_spec(text, source="my.zip")


def parse_values(values):
    return parse(yaml.safe_dump(values))


def values_of(spec):
    return yaml.safe_load(dump_spec(spec))


SEEN = SeenIntensities((LEVELS,), ((1e6,) * len(LEVELS),), (0.1,), 3)


def test_intensities_of_the_training_are_read_back_and_may_be_missing():
    spec = make_spec(intensities=SEEN)
    assert parse(dump_spec(spec)).intensities == SEEN
    values = values_of(spec)
    del values["intensities"]
    assert parse_values(values).intensities is None


def test_intensities_that_no_training_measured():
    values = values_of(make_spec(intensities=SEEN))
    values["intensities"]["spread"] = [0.1, 0.1]
    with pytest.raises(ModelError, match="no intensities that 1 channels"):
        parse_values(values)


def test_what_is_written_is_read():
    for spec in (make_spec(), make_spec(3, n_channels=2)):
        assert parse(dump_spec(spec)) == spec


@given(
    names,
    st.lists(names, min_size=2, max_size=4),
    st.lists(st.integers(-(2**63), 2**64), min_size=4, max_size=4, unique=True),
    st.tuples(numbers, numbers),
    st.dictionaries(names, numbers | st.none(), max_size=3),
    st.dictionaries(names, names | st.integers() | st.lists(names), max_size=3),
)
def test_any_names_values_and_numbers_are_read_back(
    name, classes, label_values, intensities, scores, provenance
):
    rows = [
        ClassInfo(value, title, "#ffffff")
        for value, title in zip(label_values, classes, strict=False)
    ]
    offset, scale = intensities
    spec = make_spec(
        name=name,
        classes=ClassTable(tuple(rows)),
        normalization=Normalization(
            "zscore", "training-set", (0, 100), IntensityMap((offset,), (scale,))
        ),
        scores=scores,
        provenance=provenance,
    )
    assert parse(dump_spec(spec)) == spec


def test_the_version_stands_first_and_the_text_is_readable():
    text = dump_spec(make_spec())
    assert text.startswith("format_version: 1\n")
    assert "name: axon" in text
    assert "é" in text


def test_axes_say_what_the_network_takes():
    assert make_spec(2).axes == "CYX"
    assert make_spec(3).axes == "CZYX"


def test_settings_of_later_versions_of_the_same_format_are_left_out():
    values = values_of(make_spec()) | {"thumbnail": "in a later release"}
    assert parse_values(values) == make_spec()


@pytest.mark.parametrize("version", [2, 99, None, "1", "new", 1.5])
def test_newer_and_unknown_formats_are_refused(version):
    values = values_of(make_spec()) | {"format_version": version}
    with pytest.raises(ModelError, match=r"my\.zip has format version.*update"):
        parse_values(values)


@pytest.mark.parametrize(
    "text", ["", "just words", "[1, 2]", "format_version: 1", "name: other\nversion: 3"]
)
def test_what_describes_no_model_is_refused(text):
    with pytest.raises(ModelError, match=r"my\.zip does not describe"):
        parse(text)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"dims": 4}, "dims"),
        ({"n_channels": 0}, "n_channels"),
        ({"n_channels": 10**15}, "n_channels"),
        ({"network": {"name": "unet", "depth": 9}}, "network.depth"),
        (
            {"network": {"name": "unet", "first_filters": 10**6}},
            "network.first_filters",
        ),
        ({"network": {"name": "other"}}, "network.name"),
        ({"network": {"name": "unet", "hook": "import os"}}, "network.hook"),
        ({"network": []}, "network"),
        ({"normalization": {"method": "magic", "scope": "image"}}, "method"),
        ({"classes": {"rows": "all"}}, "classes.rows"),
        ({"patch_size": [1, 2]}, "patch_size"),
    ],
)
def test_a_wrong_entry_is_named(changes, place):
    values = values_of(make_spec()) | changes
    with pytest.raises(ModelError, match=rf"my\.zip is damaged: .*{place}"):
        parse_values(values)


ROW = {"value": 0, "name": "a", "color": "#000000", "role": "background"}
OTHER = ROW | {"value": 1, "role": "class"}
TRAINING_SET = {"method": "zscore", "scope": "training-set"}


def intensities(offset, scale):
    return TRAINING_SET | {"training_set": {"offset": offset, "scale": scale}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dims": 3}, "for 3D, but its network for 2D"),
        ({"classes": {"rows": []}}, "0 classes"),
        ({"classes": {"rows": [ROW]}}, "1 classes"),
        ({"classes": {"rows": [ROW, dict(ROW)]}}, "same value"),
        ({"classes": {"rows": [OTHER | {"value": n} for n in range(300)]}}, "300"),
        ({"classes": {"rows": [ROW, ROW | {"value": 1}], "is_objects": True}}, "obj"),
        ({"channel_names": ["a", "b"]}, "2 names for 1 channels"),
        ({"normalization": TRAINING_SET}, "intensities .* missing"),
        ({"normalization": intensities([1.0, 2.0], [1.0, 2.0])}, "of 1 channels"),
        ({"normalization": intensities([1.0], [])}, "of 1 channels"),
        ({"normalization": intensities([float("nan")], [1.0])}, "of 1 channels"),
        ({"normalization": TRAINING_SET | {"scope": "image", "percentiles": [9, 1]}},
         "percentiles"),
        ({"patch_size": [1, -5, 5]}, "size is not positive"),
        ({"voxel_size": [1.0, float("inf")]}, "size is not positive"),
    ],
)  # fmt: skip
def test_parts_that_do_not_belong_together_are_refused(changes, words):
    values = values_of(make_spec()) | changes
    with pytest.raises(ModelError, match=rf"my\.zip is damaged: .*{words}"):
        parse_values(values)


OBJECTS = ClassTable(
    (ClassInfo(0, "back", "#000000", "background"), ClassInfo(1, "cell", "#ffffff")),
    is_objects=True,
)
RECIPE = ObjectRecipe(DistancesTarget(), smoothing=(0, 1.2, 1.2), radius=8.0)


def test_how_objects_are_made_is_read_back():
    spec = make_spec(classes=OBJECTS, objects=RECIPE)
    assert parse(dump_spec(spec)) == spec


def test_a_recipe_from_before_it_said_how_large_objects_are():
    values = values_of(make_spec(classes=OBJECTS, objects=RECIPE))
    del values["objects"]["radius"]
    assert parse_values(values).objects == replace(RECIPE, radius=None)


@pytest.mark.parametrize("radius", [0, -1, float("nan"), float("inf")])
def test_objects_without_a_size_are_refused(radius):
    values = values_of(make_spec(classes=OBJECTS, objects=RECIPE))
    values["objects"]["radius"] = radius
    with pytest.raises(ModelError, match=r"my\.zip is damaged: objects\.radius"):
        parse_values(values)


def test_sizes_that_are_left_open_are_no_model():
    spec = replace(make_spec(), network=UNetConfig())
    with pytest.raises(ModelError, match="network for autoD"):
        parse(dump_spec(spec))


LAUGHS = "a0: &a0 [lol, lol]\n" + "\n".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)
)


@pytest.mark.parametrize(
    "text",
    [
        "network: !!python/object/apply:os.system ['touch /tmp/owned']",
        "network: !!python/name:os.system",
        f"network: 1\nformat_version: 1\n{LAUGHS}",
        "network: " + "[" * 100_000,
        "network: {a: " * 100_000,
        "network: [1, 2",
        "network: \x00",
    ],
    ids=["call", "name", "billion laughs", "brackets", "braces", "torn", "binary"],
)
def test_hostile_yaml_is_refused_at_once(text):
    start = time.perf_counter()
    with pytest.raises(ModelError, match=r"my\.zip is not YAML that can be read"):
        parse(text)
    assert time.perf_counter() - start < 2


def test_a_description_of_many_megabytes_is_refused():
    with pytest.raises(ModelError, match="larger than 4 MiB"):
        parse("a" * (5 << 20))


def test_a_decision_is_kept_and_a_damaged_one_is_refused():
    decision = Decision((0.2, 0.5, 0.3), (1, 3, 3), (0, 5, 0), score=0.8)
    spec = make_spec(decision=decision)
    assert parse(dump_spec(spec)) == spec
    for change in (
        {"thresholds": [0.5, 0.5]},
        {"thresholds": [0.0, 0.5, 0.5]},
        {"window": [1, 4, 4]},
        {"window": [1, 101, 1]},
        {"min_voxels": [1, 2]},
        {"min_voxels": [0, -1, 0]},
    ):
        values = values_of(spec)
        values["decision"].update(change)
        with pytest.raises(ModelError, match=r"my\.zip is damaged: its decision"):
            parse_values(values)


def test_a_calibration_is_kept_and_a_damaged_one_is_refused():
    spec = make_spec(calibration=TileCalibration(0.003, 5000, (0, 24, 24)))
    assert parse(dump_spec(spec)) == spec
    for change in (
        {"error": 1.5},
        {"error": float("nan")},
        {"n_voxels": -1},
        {"halo": [0, -1, 0]},
        {"halo": [0, 5000, 0]},
    ):
        values = values_of(spec)
        values["calibration"].update(change)
        with pytest.raises(ModelError, match=r"my\.zip is damaged: .*tiles"):
            parse_values(values)


def test_the_halo_of_an_ensemble_suffices_for_all_members():
    narrow, wide = (
        TileCalibration(0.003, 50, (2, 8, 8)),
        TileCalibration(0.002, 90, (0, 24, 24)),
    )
    assert joined_calibration([narrow, wide]) == TileCalibration(0.003, 50, (2, 24, 24))
    assert joined_calibration([narrow, None]) is None
    blended = TileCalibration(0.1, 70)
    assert joined_calibration([blended, blended]) == blended
    assert joined_calibration([blended, narrow]) is None
