"""Images that are meant by files, folders, stores and patterns."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tests.io.helpers import write_ome_zarr

from napari_segtrain.errors import DataError
from napari_segtrain.io import find_images, is_pattern


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Images in folders, a store, and what is no image."""
    for name in (
        *("a2.tif", "a10.tif", "notes.txt", ".hidden.tif", "odd[1].tif"),
        *("mouse1/raw.tif", "mouse1/deep/raw.tif", "mouse2/raw.png", "empty/x.txt"),
    ):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    store = tmp_path / "data/mouse2/brain.ome.zarr"
    write_ome_zarr(store, np.zeros((2, 8, 8), np.uint8), "ZYX", (1.0, 1.0, 1.0))
    return tmp_path / "data"


def found(data: Path, *given: str, **options) -> list[str]:
    images = find_images([data / path for path in given], **options)
    return [image.path.relative_to(data).as_posix() for image in images]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a2.tif"], ["a2.tif"]),
        (["."], ["a2.tif", "a10.tif", "odd[1].tif"]),
        (["a*.tif"], ["a2.tif", "a10.tif"]),
        (["a?.tif"], ["a2.tif"]),
        (["a[0-9]*"], ["a2.tif", "a10.tif"]),
        (["odd[1].tif"], ["odd[1].tif"]),
        (["a10.tif", "a*.tif", "."], ["a10.tif", "a2.tif", "odd[1].tif"]),
        (["mouse*/raw.*"], ["mouse1/raw.tif", "mouse2/raw.png"]),
        (["mouse?"], ["mouse1/raw.tif", "mouse2/brain.ome.zarr", "mouse2/raw.png"]),
        (["**/raw.tif"], ["mouse1/raw.tif", "mouse1/deep/raw.tif"]),
        (["**/*.zarr"], ["mouse2/brain.ome.zarr"]),
        (["mouse2/**"], ["mouse2/brain.ome.zarr", "mouse2/raw.png"]),
    ],
)
def test_images_of_paths_and_patterns(data: Path, given, expected) -> None:
    assert found(data, *given) == expected


def test_files_inside_stores_are_not_looked_at(data: Path) -> None:
    assert [path for path in found(data, "**/*") if "zarr/" in path] == []


def test_relative_patterns(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    images = find_images([Path("*/raw.tif"), Path("../data/a2.*")])
    assert [image.path.as_posix() for image in images] == [
        "mouse1/raw.tif",
        "../data/a2.tif",
    ]


def test_results_keep_the_folders_of_a_pattern(data: Path) -> None:
    images = find_images([data / "**/raw.tif", data / "a2.tif", data / "mouse2"])
    assert [image.folder for image in images] == ["mouse1", "mouse1/deep", "", "", ""]


def test_results_are_not_taken_for_images(data: Path) -> None:
    everything = found(data, "**/*.tif")
    (data / "out").mkdir()
    (data / "out/a2.tif").write_bytes(b"x")
    assert found(data, "**/*.tif", output=data / "out") == everything
    assert "out/a2.tif" in found(data, "out/*.tif", output=data / "out")
    assert found(data, "a*.tif", output=data) == ["a2.tif", "a10.tif"]


def test_stacks_are_folders(data: Path) -> None:
    assert found(data, "mouse*", stack=True) == ["mouse1", "mouse2"]
    assert found(data, "mouse1", stack=True) == ["mouse1"]


@pytest.mark.skipif(os.name == "nt", reason="needs the right to make links")
def test_a_circle_of_links_has_an_end(data: Path) -> None:
    (data / "mouse1/again").symlink_to(data, target_is_directory=True)
    assert found(data, "**/raw.tif") == ["mouse1/raw.tif", "mouse1/deep/raw.tif"]


@pytest.mark.parametrize("pattern", ["*.czi", "none/*.tif", "notes*", "empty*", "**/q"])
def test_a_pattern_that_matches_nothing(data: Path, pattern: str) -> None:
    with pytest.raises(DataError, match="matches no image") as caught:
        find_images([data / "a2.tif", data / pattern])
    assert str(data / pattern) in str(caught.value)


def test_what_is_a_pattern(data: Path) -> None:
    assert is_pattern(data / "*.tif")
    assert not is_pattern(data / "odd[1].tif")
    assert not is_pattern(data / "missing.tif")
    with pytest.raises(DataError, match="does not exist"):
        find_images([data / "missing.tif"])
