"""Label images and probability maps become measured objects."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segtrain.config import DataConfig, SeparationConfig
from napari_segtrain.errors import ConfigError, DataError
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.workflows.object_exports import region_rows
from napari_segtrain.workflows.object_files import object_tables
from napari_segtrain.workflows.objects import (
    find_objects,
    objects_of_labels,
    objects_of_probabilities,
)


def squares() -> np.ndarray:
    values = np.zeros((40, 40), np.uint8)
    values[2:8, 2:8], values[20:26, 20:30], values[20:26, 30:34] = 1, 1, 2
    return values


def only(found):
    (item,) = found
    return item


def test_classes_become_objects() -> None:
    labels = LabelImage(squares(), voxel_size=(0.5, 0.5))
    data = DataConfig(classes={1: "axon", 2: "myelin"}, target="semantic")
    item = only(objects_of_labels(labels, data=data))
    rows = list(item.to_rows())
    assert [row["class"] for row in rows] == ["axon", "axon", "myelin"]
    assert [row["area"] for row in rows] == [9.0, 15.0, 6.0]
    assert {row["unit"] for row in rows} == {"um"}
    (contact,) = item.to_contact_rows()
    assert (contact["label"], contact["other"]) == (2, 3)
    assert contact["length"] == pytest.approx(3, rel=0.2)
    (classes,) = item.to_class_contact_rows()
    assert (classes["class"], classes["other_class"]) == ("axon", "myelin")
    assert (classes["n_contacts"], classes["length"]) == (1, contact["length"])


def test_ids_stay_and_what_is_no_object_is_left_out() -> None:
    values = squares().astype(np.int32) * 1000
    values[39, 39] = 255
    data = DataConfig(target="instances", ignore=(255,))
    labels = LabelImage(values)
    before = values.copy()
    item = only(objects_of_labels(labels, data=data))
    assert item.objects.labels.tolist() == [1000, 2000]
    np.testing.assert_array_equal(values, before)


def test_every_item_is_measured_with_its_intensities() -> None:
    labels = np.stack([squares(), np.zeros_like(squares())])
    image = np.stack([np.full((2, 40, 40), 3.0), np.full((2, 40, 40), 5.0)], axis=1)
    found = list(
        objects_of_labels(
            LabelImage(labels, "TYX"),
            data=DataConfig(target="semantic"),
            image=Image(image, "TCYX", channel_names=("a", "b")),
        )
    )
    assert [len(item.table) for item in found] == [3, 0]
    row = next(found[0].to_rows())
    assert (row["t"], row["mean_a"], row["max_b"]) == (0, 3.0, 5.0)
    tables = object_tables({"x": found}, slab=5)
    assert len(tables["objects"]) == 3
    assert {row["t"] for row in tables["density"]} == {0, 1}
    assert tables["slices"] == []


def test_probabilities_become_objects() -> None:
    maps = np.zeros((2, 1, 20, 20), np.uint8)
    maps[1, 0, 2:8, 2:8], maps[1, 0, 12:18, 12:18] = 200, 120
    image = Image(maps, "CZYX", channel_names=("background", "nucleus"))
    assert len(only(objects_of_probabilities(image)).table) == 1
    low = SeparationConfig(threshold=0.4)
    item = only(objects_of_probabilities(image, low, channel="nucleus"))
    assert item.objects.class_names.tolist() == ["nucleus", "nucleus"]


@pytest.mark.parametrize(
    ("maps", "channel", "words"),
    [
        (np.zeros((3, 4, 4), np.uint8), None, "3 maps"),
        (np.zeros((3, 4, 4), np.uint8), "7", "no map '7'"),
        (np.full((1, 4, 4), 3.0, np.float32), None, "from 0 to 1"),
        (np.zeros((1, 4, 4), np.uint16), None, "uint16"),
    ],
)
def test_what_are_no_probabilities_is_refused(maps, channel, words: str) -> None:
    image = Image(maps, "CYX", name="maps")
    with pytest.raises(DataError, match=words):
        list(objects_of_probabilities(image, channel=channel))


def test_an_image_of_another_size_is_refused() -> None:
    image = Image(np.zeros((30, 40)))
    with pytest.raises(DataError, match="give the image that"):
        list(objects_of_labels(LabelImage(squares()), image=image))


def test_arrays_with_settings() -> None:
    (item,) = find_objects(
        squares(), image=squares() * 3.0, voxel_size=(0.5, 0.5), min_voxels=30,
        target="semantic",
    )  # fmt: skip
    rows = list(item.to_rows())
    assert [(row["area"], row["mean_image"]) for row in rows] == [(9, 3), (15, 3)]
    maps = (squares() > 0) * 0.7
    (item,) = find_objects(maps, probabilities=True, threshold=0.6)
    assert len(item.table) == 2
    with pytest.raises(ConfigError, match="threshhold"):
        find_objects(squares(), threshhold=3)


def test_classes_of_one_name_are_one() -> None:
    (item,) = find_objects(
        squares(), classes={1: "cell", 2: "cell"}, target="semantic"
    )  # fmt: skip
    assert [row["class"] for row in item.to_rows()] == ["cell", "cell"]


def test_what_membranes_enclose_is_of_no_membrane() -> None:
    walls = np.zeros((20, 41), np.uint8)
    walls[:, [0, 20, 40]] = walls[[0, 19]] = 1
    (item,) = find_objects(
        walls, classes={1: "wall"}, target="semantic",
        method={"kind": "membranes", "smoothing": 0},
    )  # fmt: skip
    assert {row["class"] for row in item.to_rows()} == {"between wall"}
    assert len(item.table) == 2


def test_regions_of_a_series_hold_for_their_time() -> None:
    labels = LabelImage(np.stack([squares(), squares()]), "TYX")
    half = np.where(np.arange(40) < 15, 1, 2) * np.ones((40, 1), np.uint8)
    regions = LabelImage(np.stack([half, 3 - half]).astype(np.uint8), "TYX")
    data = DataConfig(target="semantic", classes={1: "a", 2: "a"})
    found = list(objects_of_labels(labels, data=data))
    rows = [row for item in found for row in region_rows(item, regions)]
    counts = {(r["t"], r["region"]): r["n_objects"] for r in rows if r["region"]}
    assert counts == {(0, 1): 1, (0, 2): 1, (1, 1): 1, (1, 2): 1}
    flipped = LabelImage(np.stack([half, np.full_like(half, 2)]), "TYX")
    rows = [row for item in found for row in region_rows(item, flipped)]
    counts = {(r["t"], r["region"]): r["n_objects"] for r in rows if r["region"]}
    assert counts == {(0, 1): 1, (0, 2): 1, (1, 2): 2}
