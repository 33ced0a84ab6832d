from __future__ import annotations

import numpy as np

from napari_segtrain.objects.holes import fill_holes


def filled(rows):
    ids = np.array([[int(c) for c in row] for row in rows], np.uint32)[np.newaxis]
    fill_holes(ids)
    return ["".join(map(str, row)) for row in ids[0].tolist()]


def test_a_hole_inside_one_object_is_filled():
    assert filled(["1111", "1011", "1111"]) == ["1111", "1111", "1111"]


def test_a_gap_between_objects_is_no_hole():
    rows = ["1122", "1022", "1122"]
    assert filled(rows) == rows


def test_a_bay_at_the_border_is_no_hole():
    rows = ["1101", "1001", "1111"]
    assert filled(rows) == rows


def test_a_tunnel_through_all_slices_is_no_hole_in_space():
    ids = np.ones((3, 5, 5), np.uint32)
    ids[:, 2, 2] = 0
    open_ids = ids.copy()
    fill_holes(open_ids)
    np.testing.assert_array_equal(open_ids, ids)
    ids[0] = ids[2] = 1
    fill_holes(ids)
    assert ids.all()


def test_an_image_without_background_stays():
    ids = np.ones((2, 3, 4), np.uint32)
    fill_holes(ids)
    assert ids.all()
