"""The class table of a Labels layer: in its metadata, features and colormap."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from napari_segtrain.image import ClassInfo, ClassTable

if TYPE_CHECKING:
    from napari.layers import Labels, Layer

PLUGIN_KEY = "segtrain"
CLASSES_KEY = "classes"
RESULT_KEY = "result"
CLASS_COLUMN = "class"
_INDEX_COLUMN = "index"
_NO_ROW = "#808080"
_TRANSPARENT = "#00000000"


def read_class_table(layer: Labels) -> ClassTable | None:
    """Class table of a Labels layer; ``None`` when it has none, or no valid one."""
    stored = plugin_metadata(layer).get(CLASSES_KEY)
    if not isinstance(stored, dict):
        return None
    try:
        rows = tuple(ClassInfo(**row) for row in stored["rows"])
        return ClassTable(rows, bool(stored["is_objects"]), stored["zero"])
    except (KeyError, TypeError):
        return None


def write_class_table(
    layer: Labels, table: ClassTable, more: dict[str, Any] | None = None
) -> None:
    """Store a class table in a Labels layer, and show its names and colors.

    Names become the column ``class`` of the features (beside other columns), colors
    the colormap. Ids of objects keep napari's colors. What is as it was is not set
    again, since napari draws everything anew then.

    Parameters
    ----------
    layer : napari Labels layer
    table : ClassTable
    more : dict, optional
        Other metadata of this plugin, stored at the same time.
    """
    stored = {
        "zero": table.zero,
        "is_objects": table.is_objects,
        "rows": [_plain_row(row) for row in table.rows],
    }
    metadata = plugin_metadata(layer)
    plugin = {**metadata, **(more or {}), CLASSES_KEY: stored}
    if plugin != metadata:
        layer.metadata = {**layer.metadata, PLUGIN_KEY: plugin}
    if not table.is_objects:
        _mirror_names(layer, table)
        _mirror_colors(layer, table)


def plugin_metadata(layer: Layer) -> dict[str, Any]:
    """What this plugin stored in a layer."""
    found = layer.metadata.get(PLUGIN_KEY)
    return found if isinstance(found, dict) else {}


def _plain_row(row: ClassInfo) -> dict[str, Any]:
    plain = asdict(row) | {"aliases": list(row.aliases)}
    return plain if row.aliases else {k: v for k, v in plain.items() if k != "aliases"}


def _mirror_names(layer: Labels, table: ClassTable) -> None:
    import pandas as pd

    names = {value: row.name for row in table.rows for value in row.all_values}
    others = pd.DataFrame(layer.features).drop(columns=CLASS_COLUMN, errors="ignore")
    if len(others.columns) and _INDEX_COLUMN not in others.columns:
        return  # features of somebody else, by position
    if list(others.columns) == [_INDEX_COLUMN]:
        others = others.iloc[:0]
    rows = pd.DataFrame(
        {_INDEX_COLUMN: list(names), CLASS_COLUMN: list(names.values())}
    )
    merged = rows
    if len(others):
        merged = others.merge(rows, on=_INDEX_COLUMN, how="outer")
        merged[CLASS_COLUMN] = merged[CLASS_COLUMN].fillna("")
    if not merged.equals(pd.DataFrame(layer.features)):
        layer.features = merged


def _mirror_colors(layer: Labels, table: ClassTable) -> None:
    colors: dict[int | None, str] = {None: _NO_ROW, 0: _TRANSPARENT}
    for row in table.rows:
        colors |= {value: row.color for value in row.all_values if value != 0}
    colormap = DirectLabelColormap(color_dict=colors)
    shown = layer.colormap
    if isinstance(shown, DirectLabelColormap) and _has_colors(shown, colormap):
        return
    colormap.use_selection = layer.show_selected_label
    colormap.selection = layer.selected_label
    layer.colormap = colormap


def _has_colors(shown: DirectLabelColormap, wanted: DirectLabelColormap) -> bool:
    ours, theirs = shown.color_dict, wanted.color_dict
    return set(ours) == set(theirs) and all(
        np.allclose(ours[value], theirs[value]) for value in theirs
    )
