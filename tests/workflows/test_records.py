"""Which outputs of an earlier run are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_segtrain.errors import OutputError
from napari_segtrain.workflows.records import (
    FOLDER,
    Record,
    begin_output,
    complete_output,
    files_to_keep,
    read_record,
)

REQUEST = {"models": ["m"], "image": ["i"], "settings": {"a": 1}, "slices": None}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Labels and a map, with the note of their run."""
    paths = [tmp_path / "a.tif", tmp_path / "maps/a.tif"]
    paths[1].parent.mkdir()
    for path in paths:
        path.write_text(path.parent.name)
    found = Record(REQUEST, {}, 2.5, {"n_objects": 3})
    complete_output(paths[0], paths, REQUEST, found=found)
    return paths


def kept(files: list[Path], request=REQUEST, *, overwrite: bool = False) -> set[Path]:
    return files_to_keep(files[0], files, request, overwrite=overwrite)


def test_the_same_request_keeps_all(files: list[Path]) -> None:
    assert kept(files) == kept(files, overwrite=True) == set(files)
    record = read_record(files[0])
    assert record is not None
    assert (record.seconds, record.contents) == (2.5, {"n_objects": 3})


def test_notes_move_with_the_folder(files: list[Path]) -> None:
    other = files[0].parent.rename(files[0].parent.with_name("moved"))
    moved = [other / path.relative_to(files[0].parent) for path in files]
    assert kept(moved) == set(moved)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"models": ["n"]}, "other models"),
        ({"image": ["j"]}, "another image"),
        ({"settings": {"a": 2}, "slices": [1, 2]}, "other settings and other slices"),
    ],
)
def test_another_request_is_refused(files: list[Path], changes, words) -> None:
    request = {**REQUEST, **changes}
    with pytest.raises(OutputError, match=f"made with {words}; .*--overwrite"):
        kept(files, request)
    assert kept(files, request, overwrite=True) == set()


def test_what_was_changed_by_hand_is_refused(files: list[Path]) -> None:
    files[1].write_text("edited")
    with pytest.raises(OutputError, match=r"maps.a\.tif was changed after"):
        kept(files)
    assert kept(files, overwrite=True) == {files[0]}


def test_what_is_missing_is_made_again(files: list[Path]) -> None:
    files[1].unlink()
    assert kept(files) == {files[0]}


def test_a_crash_leaves_what_may_be_replaced(files: list[Path]) -> None:
    begin_output(files[0], REQUEST)
    assert kept(files) == set()
    with pytest.raises(OutputError, match="other models"):
        kept(files, {**REQUEST, "models": ["n"]})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format_version": 99}', "{}"])
def test_files_without_a_note_that_can_be_read(files: list[Path], text: str) -> None:
    (files[0].parent / FOLDER / "a.tif.json").write_text(text)
    assert read_record(files[0]) is None
    with pytest.raises(OutputError, match="exists already"):
        kept(files)
    assert kept(files, overwrite=True) == set()
