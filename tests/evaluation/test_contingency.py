from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.metrics import contingency_table

from napari_segtrain.evaluation import contingency
from napari_segtrain.evaluation.contingency import Contingency

LARGE_IDS = st.sampled_from([0, 1, 2, 300, 2**40, 2**64 - 1])


def id_maps(elements=LARGE_IDS):
    shapes = hnp.array_shapes(min_dims=2, max_dims=3, max_side=8)
    pairs = shapes.map(lambda shape: (2, *shape))
    return hnp.arrays(np.uint64, pairs, elements=elements)


def tabulate(truth, predicted, ignored=None):
    counter = Contingency()
    counter.add(truth, predicted, ignored)
    return counter.table()


def as_dict(table):
    counts = table.counts.tocoo()
    rows, columns = table.truth_ids[counts.row], table.predicted_ids[counts.col]
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return dict(zip(pairs, counts.data.tolist(), strict=True))


@pytest.mark.parametrize("n_waiting", [0, 20, 1 << 20])
@given(id_maps(), st.integers(1, 40))
def test_counts_do_not_depend_on_the_blocks(n_waiting, maps, size):
    truth, predicted = maps[0].ravel(), maps[1].ravel()
    streamed = Contingency()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contingency, "_MIN_WAITING", n_waiting)
        for start in range(0, truth.size, size):
            part = slice(start, start + size)
            streamed.add(truth[part], predicted[part])
    assert as_dict(streamed.table()) == as_dict(tabulate(*maps))


def test_a_table_may_be_asked_for_in_between():
    streamed = Contingency()
    for n in (1, 2, 3):
        streamed.add(np.array([0, 5, 5]), np.array([0, 0, 7]))
        assert as_dict(streamed.table()) == {(0, 0): n, (5, 0): n, (5, 7): n}


@given(id_maps())
def test_counts_are_those_of_every_pair_of_ids(maps):
    pairs = list(zip(maps[0].ravel().tolist(), maps[1].ravel().tolist(), strict=True))
    assert as_dict(tabulate(*maps)) == {pair: pairs.count(pair) for pair in set(pairs)}


def test_counts_agree_with_scikit_image():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 9, (2, 30, 40))
    expected = contingency_table(truth, predicted).toarray()
    assert (tabulate(truth, predicted).counts.toarray() == expected).all()


@given(id_maps(), st.data())
def test_ignored_voxels_are_left_out(maps, data):
    ignored = data.draw(hnp.arrays(np.bool_, maps[0].shape))
    table = tabulate(*maps, ignored)
    kept = tabulate(maps[0][~ignored], maps[1][~ignored])
    assert as_dict(table) == as_dict(kept)


def test_share_of_an_object_in_unlabelled_voxels():
    predicted = np.array([5, 5, 5, 5, 7, 9])
    ignored = np.array([True, True, True, False, False, True])
    table = tabulate(np.zeros(6, np.uint8), predicted, ignored)
    assert table.predicted_ids.tolist() == [0, 5, 7]
    assert table.unlabelled_share.tolist() == [0, 0.75, 0]


def test_background_is_first_even_where_there_is_none():
    table = tabulate(np.full(4, 3), np.full(4, 8))
    assert table.truth_ids.tolist() == [0, 3]
    assert table.predicted_ids.tolist() == [0, 8]
    assert table.counts.toarray().tolist() == [[0, 0], [0, 4]]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64, np.float32, np.bool_])
def test_dtypes_may_differ(dtype):
    labels = np.array([[0, 1, 1], [0, 0, 1]])
    assert as_dict(tabulate(labels.astype(dtype), labels)) == {(0, 0): 3, (1, 1): 3}


def test_nothing_counted_is_an_empty_table():
    assert Contingency().table().counts.shape == (1, 1)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="differ in shape"):
        Contingency().add(np.zeros((2, 2)), np.zeros((2, 3)))
