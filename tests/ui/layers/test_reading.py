from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.layers import Image, Labels

from napari_segtrain.errors import DataError
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.ui.layers.reading import (
    check_layer_axes,
    guess_axes,
    image_from_layers,
    label_axes,
    label_box,
    labels_from_layer,
    read_class_table,
    write_class_table,
)


def ramp(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


def image(*shape: int, **options: Any) -> Image:
    return Image(ramp(*shape), **{"name": "cells", "rgb": False} | options)


def labels(*shape: int, **options: Any) -> Labels:
    return Labels(np.zeros(shape, np.uint8), **{"name": "strokes"} | options)


class Logged:
    """An array that tells how many voxels were read; as a lazy store, it has no more
    than shape, dtype and indexing."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.n_read = 0

    def __getitem__(self, key: Any) -> np.ndarray:
        part = self._array[key]
        self.n_read += part.size
        return part


class Stored(Logged):
    """As tensorstore: its dtype is none of NumPy's."""

    def __init__(self, array: np.ndarray) -> None:
        super().__init__(array)
        self.numpy_dtype = array.dtype
        self.dtype = _ForeignType(array.dtype)


class _ForeignType:
    def __init__(self, dtype: np.dtype) -> None:
        self.numpy_dtype = dtype

    def __str__(self) -> str:
        return f'dtype("{self.numpy_dtype}")'


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((20, 30), {}, "YX"),
        ((10, 20, 30), {}, "ZYX"),
        ((3, 10, 20, 30), {}, "CZYX"),
        ((10, 2, 20, 30), {}, "ZCYX"),
        ((9, 10, 20, 30), {}, "TZYX"),
        ((9, 2, 10, 20, 30), {}, "TCZYX"),
        ((9, 10, 2, 20, 30), {}, "TZCYX"),
        ((20, 30, 3), {"rgb": True}, "YXC"),
        ((10, 20, 30, 4), {"rgb": True}, "ZYXC"),
        ((10, 20, 30), {"axis_labels": ("t", "y", "x")}, "TYX"),
        ((10, 20, 30), {"axis_labels": ("C", "Y", "X")}, "CYX"),
        ((20, 30, 3), {"rgb": True, "axis_labels": ("x", "y")}, "XYC"),
        ((10, 20, 30), {"axis_labels": ("plane", "y", "x")}, "ZYX"),
        ((10, 20, 30), {"axis_labels": ("y", "y", "x")}, "ZYX"),
        ((10, 20, 30), {"axis_labels": ("t", "z", "y")}, "ZYX"),
    ],
)
def test_guessed_axes(shape, options, expected) -> None:
    layer = image(*shape, **options)
    assert guess_axes(layer) == expected
    assert check_layer_axes(layer, expected.lower()) == expected


def test_labels_tell_whether_there_are_channels() -> None:
    layer = image(3, 20, 30)
    assert guess_axes(layer, labels(20, 30)) == "CYX"
    assert guess_axes(layer, labels(3, 20, 30)) == "ZYX"
    assert guess_axes(image(3, 4, 20, 30), labels(3, 4, 20, 30)) == "TZYX"


def test_labels_have_no_channels() -> None:
    assert guess_axes(labels(3, 2, 20, 30)) == "TZYX"


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ("YX", "2 dimensions"),
        ("ZZX", "different letters"),
        ("ZY1", "different letters"),
        ("TZX", "lack Y or X"),
    ],
)
def test_impossible_axes(axes, reason) -> None:
    with pytest.raises(DataError, match=reason):
        check_layer_axes(image(4, 5, 6), axes)


def test_colors_come_last() -> None:
    with pytest.raises(DataError, match="put the C last"):
        check_layer_axes(image(8, 9, 3, rgb=True), "CYX")


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((20, 30), "YX"),
        ((4, 20, 30), "ZYX"),
        ((4, 20, 30), "TYX"),
        ((2, 20, 30), "CYX"),
        ((4, 2, 20, 30), "ZCYX"),
        ((2, 3, 4, 20, 30), "TCZYX"),
    ],
)
def test_images_of_layers(shape, axes) -> None:
    found = image_from_layers([image(*shape)], axes=axes)
    assert (found.axes, found.name) == (axes, "cells")
    np.testing.assert_array_equal(found.array, ramp(*shape))


@pytest.mark.parametrize("n_colors", [3, 4])
def test_colors_are_channels_and_alpha_is_dropped(n_colors) -> None:
    found = image_from_layers([image(20, 30, n_colors, rgb=True)])
    assert found.axes == "YXC"
    assert found.channel_names == ("red", "green", "blue")
    np.testing.assert_array_equal(found.array, ramp(20, 30, n_colors)[..., :3])


def test_layers_are_channels_in_their_order() -> None:
    layers = [image(4, 20, 30, name="actin"), Image(ramp(4, 20, 30) + 1, name="dapi")]
    found = image_from_layers(layers)
    assert (found.axes, found.channel_names) == ("CZYX", ("actin", "dapi"))
    assert found.array.shape == (2, 4, 20, 30)
    block = found.items()[0].read((slice(1, 3), slice(2, 4), slice(3, 5)))
    expected = ramp(4, 20, 30)[1:3, 2:4, 3:5]
    np.testing.assert_array_equal(block, [expected, expected + 1])


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"shape": (4, 20, 31)}, r"shapes are \(4, 20, 30\) and \(4, 20, 31\)"),
        ({"dtype": np.float32}, "types are uint16 and float32"),
        ({"scale": (1, 2, 1)}, r"scale is \(1.0, 1.0, 1.0\) and \(1.0, 2.0, 1.0\)"),
        ({"translate": (0, 0, 5)}, "translate is"),
        ({"rotate": 20}, "rotated"),
        ({"units": "um"}, "units are"),
    ],
)
def test_layers_that_are_no_channels_of_one_image(other, difference) -> None:
    shape = other.pop("shape", (4, 20, 30))
    data = np.zeros(shape, other.pop("dtype", np.uint16))
    layers = [image(4, 20, 30, name="actin"), Image(data, name="dapi", **other)]
    with pytest.raises(DataError, match=difference) as error:
        image_from_layers(layers)
    assert "'actin'" in str(error.value)
    assert "'dapi'" in str(error.value)


def test_channels_that_have_channels() -> None:
    layers = [image(20, 30, 3, rgb=True), image(20, 30, 3, rgb=True)]
    with pytest.raises(DataError, match="channels of its own"):
        image_from_layers(layers)


def test_levels() -> None:
    levels = [ramp(4, 32, 32), ramp(4, 16, 16)]
    layer = Image(levels, multiscale=True, scale=(2, 1, 1), units="um")
    found = image_from_layers([layer], level=1)
    assert (found.level, found.voxel_size) == ("1", (2, 2, 2))
    np.testing.assert_array_equal(found.array, levels[1])
    with pytest.raises(DataError, match="levels 0 to 1, but level 2"):
        image_from_layers([layer], level=2)


def lazy_arrays(tmp_path) -> dict[str, Any]:
    array = ramp(6, 40, 50)
    store = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=array.shape, dtype=array.dtype,
        chunks=(1, 20, 20),
    )  # fmt: skip
    store[:] = array
    return {
        "zarr": store,
        "dask": da.from_array(array, chunks=(1, 20, 20)),
        "tensorstore": Stored(array),
        "own": Logged(array),
    }


@pytest.mark.parametrize("kind", ["zarr", "dask", "tensorstore", "own"])
def test_lazy_arrays(kind, tmp_path) -> None:
    data = lazy_arrays(tmp_path)[kind]
    layer = _layer(data)
    found = image_from_layers([layer])
    assert np.dtype(found.array.dtype) == np.uint16
    block = found.items()[0].read((slice(2, 3), slice(5, 9), slice(0, 50)))
    np.testing.assert_array_equal(block[0], ramp(6, 40, 50)[2:3, 5:9])


def test_channels_of_lazy_arrays_are_read_where_they_are_needed() -> None:
    arrays = [Logged(ramp(6, 40, 50)) for _ in range(3)]
    layers = [_layer(array) for array in arrays]
    for array in arrays:
        array.n_read = 0
    found = image_from_layers(layers)
    found.items()[0].read((slice(2, 3), slice(5, 9), slice(0, 50)))
    assert [array.n_read for array in arrays] == [200, 200, 200]


def _layer(data: Any) -> Image:
    return Image(data, contrast_limits=(0, 1), rgb=False, multiscale=False)


def test_labels_of_layers() -> None:
    layer = labels(4, 20, 30, scale=(2, 1, 1), units="um")
    found = labels_from_layer(layer, axes="ZYX")
    assert (found.axes, found.voxel_size, found.name) == ("ZYX", (2, 1, 1), "strokes")
    assert found.array is layer.data
    assert found.classes is None


def test_labels_with_one_entry_for_all_channels() -> None:
    found = labels_from_layer(labels(6, 1, 20, 30), image=image(6, 2, 20, 30))
    assert found.axes == "ZYX"
    assert found.array.shape == (6, 20, 30)


def test_multiscale_labels() -> None:
    data = [np.zeros((32, 32), np.uint8), np.zeros((16, 16), np.uint8)]
    with pytest.raises(DataError, match="multiscale \\(2 levels\\)"):
        labels_from_layer(Labels(data, multiscale=True, name="all"))


@pytest.mark.parametrize(
    ("own", "other", "axes", "expected"),
    [
        (labels(4, 20, 30), image(4, 20, 30), "TYX", "TYX"),
        (labels(20, 30), image(2, 20, 30), "CYX", "YX"),
        (labels(4, 20, 30), image(4, 2, 20, 30), "ZCYX", "ZYX"),
        (labels(4, 1, 20, 30), image(4, 2, 20, 30), "ZCYX", "ZCYX"),
        (labels(20, 30), image(4, 20, 30), "ZYX", "YX"),
        (labels(1, 20, 30), image(20, 30), "YX", "ZYX"),
        (labels(20, 30), image(20, 30, 3, rgb=True), "YXC", "YX"),
        (labels(4, 20, 30, axis_labels=tuple("zyx")), image(4, 20, 30), "ZYX", "ZYX"),
        (labels(4, 20, 30, axis_labels=tuple("zyx")), image(4, 20, 30), "TYX", "TYX"),
        (labels(20, 4, 30, axis_labels=tuple("yzx")), image(4, 20, 30), "ZYX", "YZX"),
    ],
)
def test_axes_of_labels(own, other, axes, expected) -> None:
    assert label_axes(own, other, axes) == expected


def test_labels_at_a_whole_voxel_offset() -> None:
    own = labels(2, 8, 9, scale=(4, 0.5, 0.5), translate=(8, 2.5, 5))
    box = label_box(image(6, 20, 30, scale=(4, 0.5, 0.5)), own, "ZYX")
    assert (box.axes, box.shape) == ("ZYX", (2, 8, 9))
    assert box.offset == {"Z": 2, "Y": 5, "X": 10}


def test_offsets_in_a_turned_world() -> None:
    """The box is found where napari shows it, whatever the transforms are made of."""
    turned = {"rotate": 30, "shear": [0.3], "scale": (2, 3), "translate": (100, 7)}
    whole = image(40, 50, **turned)
    corner = np.array(whole.data_to_world((6, 11)))
    own = labels(8, 9, **turned | {"translate": corner})
    assert label_box(whole, own, "YX").offset == {"Y": 6, "X": 11}


def test_units_are_converted() -> None:
    whole = image(20, 30, scale=(0.5, 0.5), units="um")
    own = labels(8, 9, scale=(500, 500), translate=(1000, 2000), units="nm")
    assert label_box(whole, own, "YX").offset == {"Y": 2, "X": 4}


def test_labels_may_begin_before_the_image() -> None:
    own = labels(30, 30, translate=(-5, 2))
    assert label_box(image(20, 20), own, "YX").offset == {"Y": -5, "X": 2}


def test_labels_of_an_image_with_channels() -> None:
    box = label_box(image(2, 4, 20, 30), labels(4, 20, 30), "CZYX")
    assert box.offset == {"Z": 0, "Y": 0, "X": 0}


def test_labels_of_a_slice_of_a_stack_lie_where_they_are_translated() -> None:
    own = labels(1, 20, 30, translate=(3, 0, 0))
    assert label_box(image(6, 20, 30), own, "ZYX").offset["Z"] == 3


def test_labels_of_a_level() -> None:
    levels = [ramp(4, 32, 32), ramp(4, 16, 16)]
    layer = Image(levels, multiscale=True)
    at_edges = labels(4, 8, 8, scale=(1, 2, 2), translate=(0, 8.5, 4.5))
    at_centers = labels(4, 8, 8, scale=(1, 2, 2), translate=(0, 8, 4))
    expected = {"Z": 0, "Y": 4, "X": 2}
    assert label_box(layer, at_edges, "ZYX", level=1).offset == expected
    assert label_box(layer, at_centers, "ZYX", level=1).offset == expected
    with pytest.raises(DataError, match="scale"):
        label_box(layer, at_centers, "ZYX", level=0)


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        (
            labels(4, 20, 30, scale=(1, 0.5, 0.5)),
            r"'strokes' have a scale of \(1, 0.5, 0.5\) pixel along ZYX, the image "
            r"'cells' \(1, 1, 1\) pixel",
        ),
        (labels(4, 20, 30, rotate=10), "rotated, sheared or mirrored"),
        (labels(4, 20, 30, scale=(1, -1, 1)), "rotated, sheared or mirrored"),
        (labels(4, 20, 30, translate=(0, 0.5, 0)), "0.5 voxels along Y"),
        (labels(4, 20, 30, translate=(0, 0, 40)), "cover voxels 40 to 69, and the im"),
        (labels(4, 20, 30, translate=(9, 0, 0)), "along Z they cover slices 9 to 12"),
        (labels(20, 30), "no Z axis .* 4 slices"),
        (labels(7, 4, 20, 30), "7 entries along T"),
    ],
)
def test_labels_that_do_not_fit(own, sentence) -> None:
    with pytest.raises(DataError, match=sentence):
        label_box(image(4, 20, 30), own, "ZYX")


def test_labels_with_all_channels() -> None:
    with pytest.raises(DataError, match="2 entries along C"):
        label_box(image(2, 20, 30), labels(2, 20, 30), "CYX")


def table(**options: Any) -> ClassTable:
    rows = (
        ClassInfo(0, "background", "#000000", "background", 10),
        ClassInfo(1, "axon", "#ff0000", "class", 5),
        ClassInfo(3, "myelin", "#00ff00", "class", 7),
    )
    return ClassTable(**{"rows": rows, "zero": "auto"} | options)


def test_class_table_in_the_metadata() -> None:
    layer = labels(4, 5, metadata={"mine": 1, "segtrain": {"result": {"run": "a"}}})
    write_class_table(layer, table())
    assert read_class_table(layer) == table()
    assert labels_from_layer(layer).classes == table()
    assert layer.metadata["mine"] == 1
    assert layer.metadata["segtrain"]["result"] == {"run": "a"}
    assert layer.metadata["segtrain"]["classes"]["rows"][1] == {
        "value": 1, "name": "axon", "color": "#ff0000", "role": "class", "n_voxels": 5,
    }  # fmt: skip


def test_class_table_is_shown() -> None:
    layer = labels(4, 5)
    write_class_table(layer, table())
    assert layer.features["index"].tolist() == [0, 1, 3]
    assert layer.features["class"].tolist() == ["background", "axon", "myelin"]
    np.testing.assert_allclose(layer.get_color(1), (1, 0, 0, 1))
    np.testing.assert_allclose(layer.get_color(3), (0, 1, 0, 1))
    assert layer.get_color(0) is None or layer.get_color(0)[3] == 0


def test_features_of_others_are_kept() -> None:
    layer = labels(4, 5, features={"index": [1, 2], "area": [7.0, 8.0]})
    write_class_table(layer, table())
    assert layer.features["area"].tolist()[1:3] == [7, 8]
    assert layer.features["class"].tolist() == ["background", "axon", "", "myelin"]


def test_colors_of_objects_stay() -> None:
    layer = labels(4, 5)
    before = layer.colormap
    write_class_table(layer, table(is_objects=True))
    assert layer.colormap is before
    assert read_class_table(layer) == table(is_objects=True)


def test_nothing_is_drawn_anew_for_new_counts() -> None:
    layer = labels(4, 5)
    write_class_table(layer, table())
    drawn: list[Any] = []
    layer.events.colormap.connect(drawn.append)
    layer.events.features.connect(drawn.append)
    rows = (*table().rows[:2], ClassInfo(3, "myelin", "#00ff00", "class", 8))
    write_class_table(layer, table(rows=rows))
    assert not drawn
    assert read_class_table(layer) == table(rows=rows)


@pytest.mark.parametrize(
    "stored", [None, 3, {}, {"rows": [{"no": 1}], "is_objects": 0, "zero": "auto"}]
)
def test_damaged_class_tables(stored) -> None:
    layer = labels(4, 5, metadata={"segtrain": {"classes": stored}})
    assert read_class_table(layer) is None
