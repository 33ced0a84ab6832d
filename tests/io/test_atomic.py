from __future__ import annotations

import errno
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_segtrain.errors import OutputError
from napari_segtrain.io import (
    atomic_path,
    refuse_existing,
    write_bytes,
    write_json,
    write_text,
)
from napari_segtrain.io.atomic import remove_folder, remove_folders, sweep_deleted


def test_file_appears_at_the_end(tmp_path):
    target = tmp_path / "new" / "a.ome.tif"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".tif"
        assert temporary.name.startswith(".")
        temporary.write_bytes(b"1")
        assert not target.exists()
    assert target.read_bytes() == b"1"
    assert list(target.parent.iterdir()) == [target]


def test_failure_leaves_what_was_there(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")

    def fail():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk(tmp_path, number):
    def fill():
        with atomic_path(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise OSError(number, "full")

    with pytest.raises(OutputError, match=r"disk is full, so .*a\.txt could not"):
        fill()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("free", "message"), [(0, "disk is full"), (1 << 30, "cut")])
def test_numpy_does_not_name_a_full_disk(tmp_path, monkeypatch, free, message):
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with (
        pytest.raises(OutputError, match=message),
        atomic_path(tmp_path / "a.txt"),
    ):
        raise OSError("cut off: 40000 requested and 4576 written")


def test_place_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot be written \("):
        write_text(tmp_path / "file" / "a.txt", "x")


def test_nothing_written_is_an_error(tmp_path):
    with (
        pytest.raises(OutputError, match=r"a\.txt cannot be written"),
        atomic_path(tmp_path / "a.txt"),
    ):
        pass


def test_folder_replaces_folder(tmp_path):
    target = tmp_path / "a.zarr"
    for content in ("old", "new"):
        with atomic_path(target) as temporary:
            (temporary / "sub").mkdir(parents=True)
            (temporary / "sub" / content).write_text(content)
    assert [path.name for path in (target / "sub").iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_file_replaces_file(tmp_path):
    write_bytes(tmp_path / "a", b"old")
    write_bytes(str(tmp_path / "a"), b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_json(tmp_path):
    value = {"name": "Zürich", "sizes": [1, 2.5, None]}
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == value
    assert "Zürich" in (tmp_path / "a.json").read_text("utf-8")
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()


def test_text_keeps_its_line_ends(tmp_path):
    write_text(tmp_path / "a.txt", "ä\nb\n")
    assert (tmp_path / "a.txt").read_bytes() == "ä\nb\n".encode()


def test_existing_output_is_refused(tmp_path):
    refuse_existing(tmp_path / "a", overwrite=False)
    (tmp_path / "a").mkdir()
    refuse_existing(tmp_path / "a", overwrite=True)
    with pytest.raises(OutputError, match="a exists already"):
        refuse_existing(tmp_path / "a", overwrite=False)


def test_a_killed_removal_is_swept(tmp_path, monkeypatch):
    """And nothing else: not what is being made, nor what belongs to another name."""
    kept = [".a.zarr-0123abcd.tmp", ".a.zarr.b-0123abcd.tmp.deleted", ".a.zarr-x", "a"]
    for name in ("a.zarr", *kept):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *_, **__: None)
        remove_folder(tmp_path / "a.zarr")
    names = {path.name for path in tmp_path.iterdir()}
    (left,) = names - set(kept)
    assert left.startswith(".a.zarr-")
    sweep_deleted(tmp_path / "a.zarr")
    assert {path.name for path in tmp_path.iterdir()} == set(kept)
    sweep_deleted(tmp_path / "none/a.zarr")


def test_of_several_folders_all_names_go_first(tmp_path, monkeypatch):
    paths = [tmp_path / name for name in ("a", "none", "b")]
    for path in (paths[0], paths[2]):
        path.mkdir()
    names = []

    def killed(*_, **__):
        names.append([path.exists() for path in paths])
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        remove_folders(paths)
    assert names == [[False, False, False]]


def test_of_several_folders_all_stay_when_one_cannot_go(tmp_path, monkeypatch):
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        path.mkdir()
        (path / "file").write_text("x")
    rename = Path.rename

    def refuse(self, target):
        if self.name == "b":
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match="b cannot be written"):
        remove_folders(paths)
    assert [(path / "file").read_text() for path in paths] == ["x", "x"]
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}
