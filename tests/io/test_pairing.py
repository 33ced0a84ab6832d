from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segtrain.errors import DataError
from napari_segtrain.io import pair_files


def folder(tmp_path, name, *files):
    made = tmp_path / name
    made.mkdir()
    for file in files:
        (made / file).write_bytes(b"x")
    return made


def names(pairing):
    return [(image.name, label.name) for image, label in pairing.pairs]


def test_same_stems_whatever_the_format(tmp_path):
    images = folder(tmp_path, "image", "a10.tif", "a2.png", "b.ome.tif", "c.tif")
    labels = folder(tmp_path, "label", "a2.tif", "a10.ome.tif", "b.png", "d.tif")
    (labels / "e.ome.zarr").mkdir()
    pairing = pair_files(images, labels)
    assert names(pairing) == [
        ("a2.png", "a2.tif"),
        ("a10.tif", "a10.ome.tif"),
        ("b.ome.tif", "b.png"),
    ]
    assert pairing.unmatched_images == (images / "c.tif",)
    assert pairing.unmatched_labels == (labels / "d.tif", labels / "e.ome.zarr")


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("{}", "{}_label"),
        ("{}", "{}_labels"),
        ("{}", "{}-mask"),
        ("{}", "{}.masks"),
        ("{}", "{}_seg"),
        ("{}", "{}_segmentation"),
        ("{}", "{}_GT"),
        ("{}", "mask_{}"),
        ("img{}", "mask{}"),
        ("img_{}", "img_{}_label"),
        ("{}_image", "{}_label"),
        ("raw-{}", "labels-{}"),
        ("Cell{}", "cell{}_mask"),
    ],
)
def test_words_around_the_name(tmp_path, image, label):
    numbers = (1, 2, 10)
    images = folder(tmp_path, "image", *(f"{image.format(i)}.tif" for i in numbers))
    labels = folder(tmp_path, "label", *(f"{label.format(i)}.tif" for i in numbers))
    assert names(pair_files(images, labels)) == [
        (f"{image.format(i)}.tif", f"{label.format(i)}.tif") for i in numbers
    ]


def test_exact_names_come_first(tmp_path):
    images = folder(tmp_path, "image", "a.tif", "a_mask.tif")
    labels = folder(tmp_path, "label", "a.tif", "a_mask.tif")
    assert names(pair_files(images, labels)) == [
        ("a.tif", "a.tif"),
        ("a_mask.tif", "a_mask.tif"),
    ]


def test_words_inside_a_name_stay(tmp_path):
    images = folder(tmp_path, "image", "segment1.tif", "masked.tif")
    labels = folder(tmp_path, "label", "ment1.tif", "ed.tif")
    with pytest.raises(DataError, match="No image matches"):
        pair_files(images, labels)


def test_two_files_are_a_pair_whatever_their_names(tmp_path):
    images = folder(tmp_path, "image", "x.tif", "unrelated.txt")
    labels = folder(tmp_path, "label", "y.png")
    assert names(pair_files(images, labels / "y.png")) == [("x.tif", "y.png")]
    assert names(pair_files(images / "x.tif", labels)) == [("x.tif", "y.png")]


def test_stores_are_a_pair(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "b.ome.zarr").mkdir()
    pairing = pair_files(tmp_path / "a.zarr", tmp_path / "b.ome.zarr")
    assert names(pairing) == [("a.zarr", "b.ome.zarr")]


def test_no_pairs_names_both_sides(tmp_path):
    images = folder(tmp_path, "image", "a.tif", "b.tif")
    labels = folder(tmp_path, "label", "c.tif", "d.tif")
    with pytest.raises(DataError, match=r"has a\.tif, b\.tif; .* has c\.tif, d\.tif"):
        pair_files(images, labels)


def test_two_files_of_one_name_are_not_clear(tmp_path):
    images = folder(tmp_path, "image", "a.tif", "a.png", "b.tif")
    labels = folder(tmp_path, "label", "a.tif", "b.tif")
    with pytest.raises(DataError, match=r"a\.png, a\.tif .* 'a', so pairs are not"):
        pair_files(images, labels)


def test_files_without_partner_may_share_a_name(tmp_path):
    images = folder(tmp_path, "image", "a.tif", "b.tif")
    labels = folder(tmp_path, "label", "a.tif", "x_mask.tif", "x_label.tif")
    pairing = pair_files(images, labels)
    assert names(pairing) == [("a.tif", "a.tif")]
    assert len(pairing.unmatched_labels) == 2


def test_images_and_labels_in_one_folder(tmp_path):
    both = folder(tmp_path, "both", "a.tif", "a_mask.tif", "b.tif", "b_mask.tif")
    assert names(pair_files(both, both)) == [
        ("a.tif", "a_mask.tif"),
        ("b.tif", "b_mask.tif"),
    ]


def test_one_folder_of_images_only_is_no_pair(tmp_path):
    both = folder(tmp_path, "both", "a.tif", "b.tif")
    with pytest.raises(DataError, match="Images and labels are both"):
        pair_files(both, both)
    with pytest.raises(DataError, match="Images and labels are both"):
        pair_files(both / "a.tif", both / "a.tif")


def test_missing_folder(tmp_path):
    images = folder(tmp_path, "image", "a.tif")
    with pytest.raises(DataError, match="does not exist"):
        pair_files(images, tmp_path / "label")


@given(
    st.sets(st.text("abc123_", min_size=1, max_size=4), min_size=1, max_size=8),
    st.sets(st.text("abc123_", min_size=1, max_size=4), min_size=1, max_size=8),
)
def test_every_file_is_paired_once_or_listed(tmp_path_factory, stems, others):
    tmp_path = tmp_path_factory.mktemp("pairs")
    images = folder(tmp_path, "image", *(f"{s}.tif" for s in stems | {"same"}))
    labels = folder(tmp_path, "label", *(f"{s}.png" for s in others | {"same"}))
    pairing = pair_files(images, labels)
    paired = [path for pair in pairing.pairs for path in pair]
    seen = [*paired, *pairing.unmatched_images, *pairing.unmatched_labels]
    assert sorted(seen) == sorted([*images.iterdir(), *labels.iterdir()])
