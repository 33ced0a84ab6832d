from __future__ import annotations

import os
from pathlib import Path

import pytest
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name

import napari_segtrain

PACKAGE = Path(napari_segtrain.__file__).parent
ROOT = Path(__file__).parents[2]
MANIFEST = PluginManifest.from_distribution("napari-segtrain")


def test_the_manifest_is_valid_and_what_it_names_is_there() -> None:
    manifest = PluginManifest.from_file(PACKAGE / "napari.yaml")
    manifest.validate_imports()
    assert manifest.contributions == MANIFEST.contributions


@pytest.mark.skipif(os.name == "nt", reason="a checkout there may have no links")
def test_the_file_at_the_top_is_a_link() -> None:
    link = ROOT / "napari.yaml"
    assert link.is_symlink()
    assert link.resolve() == (PACKAGE / "napari.yaml").resolve()


def test_widgets_are_in_the_menus() -> None:
    names = {widget.display_name for widget in MANIFEST.contributions.widgets}
    assert names == {"Train", "Predict", "Compare", "Objects", "Models"}
    menus = MANIFEST.contributions.menus
    (entry,) = menus["napari/layers/segment"]
    commands = {item.command for item in menus[entry.submenu]}
    assert commands == {w.command for w in MANIFEST.contributions.widgets}


def test_samples_give_layers() -> None:
    keys = {sample.key for sample in MANIFEST.contributions.sample_data}
    assert keys == {"axons_strokes", "axons", "nuclei", "embryo"}
    commands = {c.id: c.python_name for c in MANIFEST.contributions.commands}
    for sample in MANIFEST.contributions.sample_data:
        layers = import_python_name(commands[sample.command])()
        assert {kind for _, _, kind in layers} == {"image", "labels"}


def test_files_that_the_reader_is_asked_about() -> None:
    (reader,) = MANIFEST.contributions.readers
    assert reader.accepts_directories
    assert set(reader.filename_patterns) == {
        "*.safetensors", "*.zip", "model.yaml", "plan.json"
    }  # fmt: skip


def test_preferences_have_defaults_and_help() -> None:
    (general,) = MANIFEST.contributions.configurations.values()
    assert set(general.properties) == {"run_folder", "device", "memory_limit"}
    for entry in general.properties.values():
        assert entry.description
        assert entry.default is not None
