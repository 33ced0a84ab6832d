from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_segtrain.data.runs import find_runs

PAIRS = hnp.arrays(
    np.uint8, st.tuples(st.just(2), st.integers(0, 30)), elements=st.integers(0, 2)
)


def expected_runs(places):
    groups = [list(group) for _, group in itertools.groupby(places)]
    lengths = [len(group) for group in groups]
    return [sum(lengths[:n]) for n in range(len(lengths))], lengths


@given(PAIRS)
def test_a_run_ends_where_any_side_changes(sides):
    starts, lengths = find_runs(*sides)
    assert (starts.tolist(), lengths.tolist()) == expected_runs(
        list(zip(*sides.tolist(), strict=True))
    )


@given(PAIRS, st.integers(1, 7))
def test_a_run_ends_with_its_row(sides, row):
    starts, lengths = find_runs(sides[0], row=row)
    places = [(n // row, value) for n, value in enumerate(sides[0].tolist())]
    assert (starts.tolist(), lengths.tolist()) == expected_runs(places)


@pytest.mark.parametrize("dtype", [np.bool_, np.float32, np.uint64, ">i2"])
def test_any_type_has_runs(dtype):
    starts, lengths = find_runs(np.array([0, 0, 1, 1, 1, 0], dtype))
    assert starts.tolist() == [0, 2, 5]
    assert lengths.tolist() == [2, 3, 1]
