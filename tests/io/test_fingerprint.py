from __future__ import annotations

import os

import numpy as np
import pytest
from tests.io.helpers import voxels, write_ome_zarr

from napari_segtrain.io import fingerprint


def test_same_content_same_fingerprint_wherever_it_lies(tmp_path):
    content = os.urandom(100_000)
    (tmp_path / "a.tif").write_bytes(content)
    (tmp_path / "b.tif").write_bytes(content)
    assert fingerprint(tmp_path / "a.tif") == fingerprint(tmp_path / "b.tif")


@pytest.mark.parametrize("size", [1, 1000, 3 << 20])
def test_any_change_of_a_small_file_is_seen(tmp_path, size):
    content = bytearray(size)
    path = tmp_path / "a.tif"
    seen = set()
    for position in (None, 0, size // 2, size - 1):
        changed = bytearray(content)
        if position is not None:
            changed[position] = 1
            changed[position] += position % 200
        path.write_bytes(changed)
        seen.add(fingerprint(path))
    assert len(seen) == (2 if size == 1 else 4)
    path.write_bytes(content + b"\0")
    assert fingerprint(path) not in seen


def test_large_file_is_sampled(tmp_path):
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        file.truncate(4 << 30)
    before = fingerprint(path)
    with path.open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"1")
    assert fingerprint(path) != before


def test_store(tmp_path):
    data = voxels(3, 20, 30)
    write_ome_zarr(tmp_path / "a.zarr", data, "ZYX")
    write_ome_zarr(tmp_path / "sub" / "b.zarr", data, "ZYX")
    first = fingerprint(tmp_path / "a.zarr")
    assert fingerprint(tmp_path / "sub" / "b.zarr") == first
    group = write_ome_zarr(tmp_path / "c.zarr", data, "ZYX", (1, 2, 3))
    assert fingerprint(tmp_path / "c.zarr") != first
    before = fingerprint(tmp_path / "c.zarr")
    group["0"][1] = np.zeros((20, 30), np.uint8)
    assert fingerprint(tmp_path / "c.zarr") != before


def test_what_desktops_leave_in_a_folder_does_not_count(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"abc")
    before = fingerprint(tmp_path)
    for name in (".DS_Store", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"x")
    assert fingerprint(tmp_path) == before
    (tmp_path / "b.tif").write_bytes(b"abc")
    assert fingerprint(tmp_path) != before
