"""Stores of results as layers."""

import shutil

import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from tests.inference.helpers import tiny_model
from tests.inference.volume.volumes import (
    BLOCKS,
    CPU,
    VOLUME,
    cells,
    labels_of,
    maps_of,
    predicted,
)

from napari_segtrain.config import VolumeConfig
from napari_segtrain.errors import DataError
from napari_segtrain.image import Image
from napari_segtrain.inference.volume.opening import open_volume
from napari_segtrain.ui import reader
from napari_segtrain.ui.classes.class_metadata import read_class_table
from napari_segtrain.ui.layers.result_stores import result_layers

MAPS = CPU.model_copy(update={"probabilities": "uint8", "uncertainty": "entropy"})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "cells.ome.zarr"
    predicted(path, config=MAPS)
    return path


def added(path):
    """Layers that the viewer has after the store was dropped on it."""
    viewer = ViewerModel()
    read = reader.get_reader(str(path))
    for data, options, kind in read(str(path)):
        getattr(viewer, f"add_{kind}")(data, **options)
    return list(viewer.layers)


def test_labels_lie_where_the_image_lies_with_their_classes(store):
    (layer,) = added(store)
    assert layer.name == "cells"
    np.testing.assert_array_equal(np.asarray(layer.data), labels_of(store))
    np.testing.assert_allclose(layer.scale, (0.4, 0.1, 0.1))
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
    table = read_class_table(layer)
    assert table.values == tiny_model(3).spec.classes.values
    shown = np.asarray(layer._slice.image.raw)  # noqa: SLF001 - what is drawn
    assert shown.shape[0] > 1


def test_maps_are_images_of_their_names(store):
    first, *others = added(store.parent / "probabilities" / store.name)
    assert [first.name, *(layer.name for layer in others)] == [
        "cells class 0", "cells class 7", "cells class 300",
    ]  # fmt: skip
    np.testing.assert_array_equal(np.asarray(first.data), maps_of(store)[0])
    assert tuple(first.contrast_limits) == (0, 255)
    (entropy,) = added(store.parent / "entropy" / store.name)
    found = np.asarray(entropy.data)
    np.testing.assert_array_equal(found, maps_of(store, "entropy"))


def test_a_store_that_is_being_written_can_be_looked_at(tmp_path):
    path = tmp_path / "cells.zarr"
    open_volume([tiny_model(3)], VOLUME, path, CPU, BLOCKS)
    (layer,) = added(path)
    assert not np.asarray(layer.data).any()


def test_nothing_is_read_before_it_is_looked_at(store, monkeypatch):
    """Picking a part of a level gives a view."""
    (data, _, _) = result_layers(store)[0]
    part = data[:, 0:10, 0:10]
    assert not isinstance(part, np.ndarray)
    assert np.asarray(part[3]).shape == (10, 10)


def test_large_results_have_levels(tmp_path):
    image = Image(cells((1, 600, 700)), "ZYX", (1, 0.5, 0.5), name="wide")
    volume = VolumeConfig(block_size=(1, 64, 64))
    predicted(tmp_path / "wide.zarr", tiny_model(2), image, volume=volume)
    (layer,) = added(tmp_path / "wide.zarr")
    assert layer.multiscale
    assert [level.shape for level in layer.data] == [(1, 600, 700), (1, 300, 350)]
    labels = labels_of(tmp_path / "wide.zarr")[None]
    np.testing.assert_array_equal(np.asarray(layer.data[1]), labels[:, ::2, ::2])


def test_other_stores_are_left_to_other_readers(tmp_path):
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(4, 4), dtype="u1")
    assert reader.get_reader(str(tmp_path / "a.zarr")) is None


def test_a_damaged_store_is_a_sentence(store, tmp_path):
    copy = tmp_path / "cells.zarr"
    shutil.copytree(store, copy)
    shutil.rmtree(copy / "0")
    with pytest.raises(DataError, match=r"cells\.zarr"):
        reader.get_reader(str(copy))(str(copy))
