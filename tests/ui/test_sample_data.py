from __future__ import annotations

import itertools

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_segtrain.ui import sample_data
from napari_segtrain.ui.layers.reading import (
    guess_axes,
    image_from_layers,
    label_box,
    read_class_table,
)

SAMPLES = ("axons_with_strokes", "axons", "nuclei", "embryo")


def opened(name: str) -> ViewerModel:
    """A viewer into which a sample was opened, as napari does it."""
    viewer = ViewerModel()
    for data, options, kind in getattr(sample_data, name)():
        getattr(viewer, f"add_{kind}")(data, **options)
    return viewer


def names(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers]


def test_axons_with_strokes() -> None:
    viewer = opened("axons_with_strokes")
    assert names(viewer) == [
        "axons 1", "strokes 1", "axons 2", "strokes 2",
        "axons test", "test ground truth",
    ]  # fmt: skip
    table = read_class_table(viewer.layers["strokes 1"])
    assert table is not None
    assert table.names == ("background", "myelin", "axon")
    assert table.values == (1, 2, 3)
    assert table.unlabelled_values == (0,)
    assert table.zero == "unlabelled"
    for name in ("strokes 1", "strokes 2"):
        assert set(np.unique(viewer.layers[name].data)) == {0, 1, 2, 3}


def test_the_ground_truth_is_hidden_dense_and_comparable() -> None:
    """Its values mean what those of the strokes do."""
    layers = opened("axons_with_strokes").layers
    truth, strokes = layers["test ground truth"], layers["strokes 1"]
    assert not truth.visible
    assert set(np.unique(truth.data)) == {1, 2, 3}
    tables = read_class_table(truth), read_class_table(strokes)
    assert tables[0].classes == tables[1].classes
    assert tables[0].unlabelled_values == ()
    for value in (1, 2, 3):
        colors = [layer.get_color(value) for layer in (truth, strokes)]
        np.testing.assert_array_equal(*colors)


@pytest.mark.parametrize("name", SAMPLES)
def test_images_do_not_overlap_and_labels_lie_on_them(name) -> None:
    viewer = opened(name)
    layers = list(viewer.layers)
    ends = []
    for image, labels in zip(layers[::2], layers[1::2], strict=True):
        assert image.extent.world.tolist() == labels.extent.world.tolist()
        assert image.units == labels.units
        box = label_box(image, labels, guess_axes(image))
        assert labels.data.shape == image_from_layers([image]).array.shape
        assert set(box.offset.values()) == {0}
        ends.append(image.extent.world[:, -1])
    for (_, end), (start, _) in itertools.pairwise(ends):
        assert end < start


def test_nuclei_are_objects() -> None:
    layers = opened("nuclei").layers
    assert len(layers) == 8
    table = read_class_table(layers["nuclei 1 labels"])
    assert table is not None
    assert table.is_objects
    assert layers["nuclei 1 labels"].data.max() > 20
    assert not layers["nuclei test ground truth"].visible


def test_the_embryo_has_its_voxel_size() -> None:
    layers = opened("embryo").layers
    image = image_from_layers([layers["embryo 1"]])
    assert (image.axes, image.voxel_size) == ("ZYX", (1.75, 0.8, 0.8))
    assert layers["embryo test"].units == layers["embryo 1"].units
    assert [str(unit) for unit in layers["embryo test"].units] == ["micrometer"] * 3


def test_axons_have_no_voxel_size() -> None:
    """Their files carry none."""
    assert image_from_layers([opened("axons").layers["axons 1"]]).voxel_size is None


@pytest.mark.parametrize("name", SAMPLES)
def test_every_opening_has_arrays_of_its_own(name) -> None:
    """Painting into a sample changes no other."""
    first, second = opened(name), opened(name)
    layer, other = first.layers[1], second.layers[1]
    before = other.data.copy()
    layer.data[...] = 1
    np.testing.assert_array_equal(other.data, before)
