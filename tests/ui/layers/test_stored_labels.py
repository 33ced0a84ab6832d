from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from napari.layers import Labels

from napari_segtrain.ui.layers.stored_labels import StoredLabels, create_stored_labels

SHAPE = (4, 600, 700)


@pytest.fixture
def store(tmp_path) -> StoredLabels:
    return create_stored_labels(tmp_path / "a.zarr", SHAPE, "ZYX")


def boxes():
    return st.tuples(*(_part(size) for size in SHAPE))


def _part(size: int):
    ends = st.tuples(st.integers(0, size - 1), st.integers(1, size))
    return ends.map(lambda pair: slice(min(pair), max(pair)))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(boxes(), st.integers(0, 9)), max_size=4), boxes())
def test_it_is_an_array(tmp_path_factory, writes, read) -> None:
    path = tmp_path_factory.mktemp("store") / "a.zarr"
    store, expected = create_stored_labels(path, SHAPE, "ZYX"), np.zeros(SHAPE, "u1")
    for box, value in writes:
        store[box] = value
        expected[box] = value
    np.testing.assert_array_equal(store[read], expected[read])
    np.testing.assert_array_equal(zarr.open_array(str(path), mode="r")[:], expected)


def test_keys_of_other_kinds(store) -> None:
    expected = np.zeros(SHAPE, np.uint8)
    indices = (np.array([0, 3, 3]), np.array([1, 599, 300]), np.array([5, 699, 10]))
    for array in (store, expected):
        array[indices] = np.array([1, 2, 3], np.uint8)
        array[2, 10:20, 5] = 7
    np.testing.assert_array_equal(store, expected)
    np.testing.assert_array_equal(store[indices], [1, 2, 3])
    np.testing.assert_array_equal(store[3], expected[3])
    np.testing.assert_array_equal(store[-1, ..., 5:8], expected[-1, ..., 5:8])
    assert store[2, 12, 5] == 7


def test_many_chunks(store) -> None:
    """Beyond some chunks the box around them is read at once."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 3, SHAPE).astype(np.uint8)
    store[...] = values
    np.testing.assert_array_equal(store, values)


class Asked:
    """Counts the voxels that are asked of a Zarr array."""

    def __init__(self, array: zarr.Array) -> None:
        self._array = array
        self.shape, self.dtype, self.chunks = array.shape, array.dtype, array.chunks
        self.n_read = 0

    def __getitem__(self, key):
        part = self._array[key]
        self.n_read += np.size(part)
        return part

    def __setitem__(self, key, value) -> None:
        self._array[key] = value


def test_a_stroke_reads_no_more_than_what_it_paints(tmp_path) -> None:
    """napari asks for the first slice before each stroke."""
    asked = Asked(
        zarr.create_array(
            str(tmp_path / "a.zarr"), shape=(50, 5000, 6000), dtype="uint8",
            chunks=(1, 256, 256),
        )
    )  # fmt: skip
    layer = Labels(StoredLabels(asked, set()))
    layer.brush_size = 20
    layer.paint((0, 2000, 3000), 1)
    layer.paint((0, 2000, 3010), 2)
    layer.undo()
    assert asked.n_read < 4 * 256 * 256
    layer.refresh()
    assert np.count_nonzero(layer.data[0, 1900:2100, 2900:3100]) > 200


def test_where_anything_is_stored(store) -> None:
    assert store.painted_along(0) == []
    store[2, 5, 5] = 1
    store[0, 599, 699] = 1
    assert store.painted_along(0) == [0, 2]
    assert store.n_painted == 2 * 600 * 700
    assert (store.size, store.nbytes, store.ndim) == (1_680_000, 1_680_000, 3)


def test_threads_may_look_while_it_is_painted(tmp_path) -> None:
    """As the count of the classes does; a set that grows cannot be walked through."""
    array = zarr.create_array(str(tmp_path / "a.zarr"), shape=SHAPE, dtype="uint8")
    painted: set[tuple[int, ...]] = set()
    store = StoredLabels(array, painted)
    stop, failures = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            try:
                store.painted_along(0)
            except RuntimeError as error:
                failures.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    chunks = np.ndindex(4, 200, 200)
    painted.update(itertools.islice(chunks, 20_000))
    for chunk in chunks:
        painted.add(chunk)
    stop.set()
    thread.join()
    assert not failures
