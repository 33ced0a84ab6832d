"""Outlines of objects as GeoJSON, as QuPath writes and reads it.

A feature is an object in a slice: a ``Polygon``, or a ``MultiPolygon`` where it has
several pieces. Coordinates are pixels of the full image. As QuPath wants it, the slice
is the ``plane`` of the geometry; the id is the name, and the property ``id``.
https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html
"""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_segtrain.errors import DataError
from napari_segtrain.io.atomic import atomic_path
from napari_segtrain.io.guard import check_exists, describe, reading
from napari_segtrain.objects.exchange import (
    FoundShape,
    Polygon,
    as_id,
    as_outlines,
    from_pixel_corners,
    to_pixel_corners,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from napari_segtrain.image import ClassInfo
    from napari_segtrain.objects.outlines import Outline

    ClassOf = Callable[[int], ClassInfo | None]

ObjectType = Literal["annotation", "detection"]
"""What objects are in QuPath: annotations can be edited, detections are light."""

_NO_CHANNEL = -1
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


def write_geojson(
    path: str | Path,
    outlines: Iterable[Outline],
    *,
    class_of: ClassOf | None = None,
    object_type: ObjectType = "annotation",
) -> int:
    """Write outlines as a feature collection.

    Parameters
    ----------
    path : str or Path
        Usually ``.geojson``.
    outlines : iterable of Outline
        Written one by one. Pieces of an object in a slice follow each other, as they
        do in `trace_outlines`.
    class_of : callable, optional
        Class of an id; its name and color are written.
    object_type : "annotation" or "detection"
        What the objects are in QuPath.

    Returns
    -------
    int
        Features: objects in slices.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    n_features = 0
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for (z, object_id), pieces in groupby(outlines, lambda o: (o.z, o.id)):
            info = class_of(object_id) if class_of else None
            feature = {
                "type": "Feature",
                "geometry": _geometry(list(pieces), z),
                "properties": _properties(object_id, info, object_type),
            }
            file.write(",\n" if n_features else "\n")
            file.write(json.dumps(feature, ensure_ascii=False, allow_nan=False))
            n_features += 1
        file.write("\n]}\n")
    return n_features


def _geometry(pieces: list[Outline], z: int) -> dict[str, Any]:
    polygons = [[_coordinates(ring) for ring in piece.rings] for piece in pieces]
    is_one = len(polygons) == 1
    return {
        "type": "Polygon" if is_one else "MultiPolygon",
        "coordinates": polygons[0] if is_one else polygons,
        "plane": {"c": _NO_CHANNEL, "z": z, "t": 0},
    }


def _coordinates(ring: Any) -> list[Any]:
    corners: list[Any] = to_pixel_corners(ring).tolist()
    return [*corners, corners[0]]


def _properties(
    object_id: int, info: ClassInfo | None, object_type: ObjectType
) -> dict[str, Any]:
    properties = {"objectType": object_type, "id": object_id, "name": str(object_id)}
    if info is None:
        return properties
    color = [int(info.color[at : at + 2], 16) for at in (1, 3, 5)]
    return properties | {"classification": {"name": info.name, "color": color}}


def read_geojson(path: str | Path) -> list[Outline]:
    """Read the polygons of a GeoJSON file.

    The id of an object is the property ``id`` or the name where that is a whole number;
    others are numbered. Points and lines are left out.

    Parameters
    ----------
    path : str or Path
        Feature collection, list of features, feature or geometry.

    Raises
    ------
    DataError
        When it is no GeoJSON, a polygon is broken, or there is none.
    """
    path = Path(path)
    check_exists(path)
    with reading(path, RecursionError):
        value = json.loads(path.read_bytes())
    shapes = [
        shape
        for number, feature in enumerate(_features(value, path), start=1)
        if (shape := _read_feature(feature, path, number)).polygons
    ]
    if not shapes:
        raise DataError(
            f"There is no polygon in {path}; export objects with an area as GeoJSON."
        )
    return as_outlines(shapes)


def _features(value: Any, path: Path) -> list[Any]:
    if isinstance(value, dict) and value.get("type") == "FeatureCollection":
        value = value.get("features")
    elif isinstance(value, dict) and "type" in value:
        value = [value]
    if not isinstance(value, list):
        raise DataError(
            f"{path} holds no GeoJSON features; export the objects as GeoJSON, for "
            "instance from QuPath as a FeatureCollection."
        )
    return value


def _read_feature(feature: Any, path: Path, number: int) -> FoundShape:
    try:
        is_feature = feature["type"] == "Feature"
        geometry = feature["geometry"] if is_feature else feature
        properties = (feature.get("properties") if is_feature else None) or {}
        plane = (geometry or {}).get("plane") or properties.get("plane") or {}
        name = as_id(properties.get("name"))
        polygons = list(_polygons(geometry)) if geometry else []
        return FoundShape(
            as_id(properties.get("id")) or name, int(plane.get("z", 0)), polygons
        )
    except _UNREADABLE as error:
        raise DataError(
            f"Feature {number} of {path} is no polygon as GeoJSON describes it "
            f"({describe(error)}); export the objects again, or leave it out."
        ) from error


def _polygons(geometry: dict[str, Any]) -> Iterator[Polygon]:
    """Rings of each polygon; nothing of points and lines."""
    kind = geometry["type"]
    if kind == "GeometryCollection":
        for part in geometry["geometries"]:
            yield from _polygons(part)
    elif kind in {"Polygon", "MultiPolygon"}:
        coordinates = geometry["coordinates"]
        for rings in [coordinates] if kind == "Polygon" else coordinates:
            if rings:
                yield tuple(map(from_pixel_corners, rings))
