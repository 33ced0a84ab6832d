from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_segtrain.errors import DataError, OutputError
from napari_segtrain.image import ClassInfo
from napari_segtrain.objects.geojson import read_geojson, write_geojson
from napari_segtrain.objects.outlines import Outline, fill_outlines, trace_outlines

VESICLE = ClassInfo(1, "vesicle", "#e6194b")
SQUARE = [[1, 2], [4, 2], [4, 6], [1, 6], [1, 2]]


def written(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def feature(coordinates, kind="Polygon", **properties):
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


@given(
    arrays(
        np.int32,
        array_shapes(min_dims=3, max_dims=3, max_side=8),
        elements=st.integers(0, 3),
    ).filter(np.any)
)
def test_objects_come_back(ids):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "objects.geojson"
        n_features = write_geojson(path, trace_outlines(ids))
        found = fill_outlines(read_geojson(path), ids.shape)
    np.testing.assert_array_equal(found, ids)
    assert n_features == sum(len(np.unique(s[s > 0])) for s in ids)


def test_what_qupath_reads(tmp_path):
    ids = np.zeros((3, 8, 9), int)
    ids[2, 1:5, 1:6] = 12
    ids[2, 2, 2:4] = 0
    ids[2, 7, 8] = 12
    ids[0, 0, 0] = 3
    path = tmp_path / "objects.geojson"
    write_geojson(
        path,
        trace_outlines(ids),
        class_of=lambda i: VESICLE if i == 12 else None,
        object_type="detection",
    )
    value = json.loads(path.read_text(encoding="utf-8"))
    assert value["type"] == "FeatureCollection"
    single, multi = value["features"]
    assert single["geometry"]["type"] == "Polygon"
    corners = set(map(tuple, single["geometry"]["coordinates"][0]))
    assert corners == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert single["properties"] == {"objectType": "detection", "id": 3, "name": "3"}
    assert multi["geometry"]["type"] == "MultiPolygon"
    assert multi["geometry"]["plane"] == {"c": -1, "z": 2, "t": 0}
    assert [len(polygon) for polygon in multi["geometry"]["coordinates"]] == [2, 1]
    assert multi["properties"]["classification"] == {
        "name": "vesicle",
        "color": [230, 25, 75],
    }
    for polygon in multi["geometry"]["coordinates"]:
        assert all(ring[0] == ring[-1] for ring in polygon)


def test_ids_are_taken_from_properties_or_names_or_given(tmp_path):
    square = [SQUARE]
    features = [
        feature(square, id=4, name="5"),
        feature(square, name="9"),
        feature(square, name="Tumor", id="x"),
        feature(square, id=True),
        feature(square, id=-2),
    ]
    path = written(tmp_path / "a.json", features)
    assert [outline.id for outline in read_geojson(path)] == [4, 9, 10, 11, 12]


@pytest.mark.parametrize(
    "value",
    [
        feature([SQUARE]),
        [feature([SQUARE])],
        {"type": "Polygon", "coordinates": [SQUARE]},
        {
            "type": "GeometryCollection",
            "geometries": [
                {"type": "Polygon", "coordinates": [SQUARE]},
                {"type": "Point", "coordinates": [1, 1]},
            ],
        },
        {
            "type": "FeatureCollection",
            "features": [
                feature([SQUARE]),
                feature([3, 4], "Point"),
                feature([], "Polygon"),
                {"type": "Feature", "geometry": None, "properties": None},
            ],
        },
    ],
)
def test_ways_to_write_a_polygon(tmp_path, value):
    (outline,) = read_geojson(written(tmp_path / "a.geojson", value))
    expected = np.zeros((1, 7, 5), int)
    expected[0, 2:6, 1:4] = 1
    np.testing.assert_array_equal(fill_outlines([outline], (1, 7, 5)), expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("{", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("\u00e9".encode("latin-1"), "cannot be read"),
        ("3", "holds no GeoJSON features"),
        ('{"type": "FeatureCollection"}', "holds no GeoJSON features"),
        ('{"type": "FeatureCollection", "features": []}', "no polygon in"),
        ("[3]", "Feature 1 of .* is no polygon"),
        ('[{"type": "Feature", "properties": []}]', "Feature 1 of"),
        (json.dumps([feature([[[0, 0], [1, 1]]])]), "2 corners"),
        (json.dumps([feature([[["a", 0]] * 4])]), "could not convert"),
        (json.dumps([feature([[[0], [1], [2], [3]]])]), "no list of coordinates"),
        (json.dumps([feature([[[0, 1], [1], [2], [3]]])]), "Feature 1 of"),
        (json.dumps([feature([[[0, np.nan], [1, 0], [2, 0]]])]), "coordinate is nan"),
        (json.dumps([feature([[[0, 1e300], [1, 0], [2, 0]]])]), r"is 1e\+300"),
    ],
)
def test_bad_files_are_explained(tmp_path, text, said):
    path = tmp_path / "bad.geojson"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=said) as caught:
        read_geojson(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_geojson(tmp_path / "none.geojson")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.geojson"
    path.write_text("old")

    def outlines():
        yield Outline(1, 0, np.array([[0, 0], [0, 1], [1, 1]], float))
        raise OutputError("full")

    with pytest.raises(OutputError, match="full"):
        write_geojson(path, outlines())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
