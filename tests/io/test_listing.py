from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segtrain.errors import DataError
from napari_segtrain.io import image_stem, list_images, list_skipped, natural_key


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")


def test_folder_is_in_natural_order_without_what_is_no_image(tmp_path):
    touch(tmp_path, "img10.tif", "img2.tif", "img1.PNG", "notes.txt", ".hidden.tif")
    (tmp_path / "sub").mkdir()
    (tmp_path / "z.zarr").mkdir()
    names = [path.name for path in list_images(tmp_path)]
    assert names == ["img1.PNG", "img2.tif", "img10.tif", "z.zarr"]
    assert [path.name for path in list_skipped(tmp_path)] == ["notes.txt", "sub"]


def test_skipped_names_are_logged(tmp_path, caplog):
    touch(tmp_path, "a.tif", "notes.txt")
    with caplog.at_level("INFO"):
        list_images(tmp_path)
    assert "notes.txt" in caplog.text


def test_file_is_itself(tmp_path):
    touch(tmp_path, "a.txt")
    assert list_images(tmp_path / "a.txt") == [tmp_path / "a.txt"]
    assert list_images(str(tmp_path / "a.txt")) == [tmp_path / "a.txt"]


def test_folder_without_images_names_what_is_there(tmp_path):
    with pytest.raises(DataError, match=r"no image that can be read\.$"):
        list_images(tmp_path)
    touch(tmp_path, *(f"{i}.txt" for i in range(8)))
    with pytest.raises(DataError, match=r"0\.txt, 1\.txt.* and 3 more"):
        list_images(tmp_path)


def test_unmarked_folder_with_zarr_metadata_is_a_store(tmp_path):
    touch(tmp_path / "store", "zarr.json")
    assert list_images(tmp_path / "store") == [tmp_path / "store"]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.tif", "a"),
        ("a.ome.tif", "a"),
        ("a.OME.TIFF", "a"),
        ("a.ome.zarr", "a"),
        ("a.b.png", "a.b"),
        ("a.ims", "a"),
        ("a.rec", "a"),
        ("a.n5", "a"),
        ("a.h5", "a"),
        ("a.h5/raw", "raw"),
        ("a.b", "a.b"),
        ("folder", "folder"),
    ],
)
def test_stem(name, stem):
    assert image_stem(Path("x") / name) == stem


@given(st.sets(st.integers(0, 10**9), min_size=1), st.text("abc-_", max_size=3))
def test_numbers_are_sorted_by_value(numbers, prefix):
    names = [f"{prefix}{number}.tif" for number in numbers]
    expected = [f"{prefix}{number}.tif" for number in sorted(numbers)]
    assert sorted(names, key=natural_key) == expected


@given(st.lists(st.text(max_size=6), unique=True))
def test_any_names_have_one_order(names):
    backwards = names[::-1]
    assert sorted(names, key=natural_key) == sorted(backwards, key=natural_key)
