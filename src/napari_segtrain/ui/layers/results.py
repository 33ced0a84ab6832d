"""Result layers: added once, updated in place unless they were edited.

A result knows in its metadata where it is from. It is updated in place by the next
prediction of the same source layer with a model of the same run, as long as its
fingerprint says that no voxel was changed since; proofread labels are never written
over. It is found by ids, so it may be renamed and moved; a copy of it is no result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels

from napari_segtrain.ui.classes.class_metadata import PLUGIN_KEY, RESULT_KEY
from napari_segtrain.ui.layers.reading import read_class_table

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


Kind = Literal["segmentation", "probabilities", "uncertainty", "errors"]

_CHECKPOINTS, _MODEL = "checkpoints", "model"


@dataclass(frozen=True)
class Origin:
    """Where a result is from.

    Parameters
    ----------
    layer : napari Image layer
        Source.
    axes : str
        One letter per dimension of its data.
    level : int
        Of a multiscale source.
    model : Path
        What was applied.
    others : tuple of Path
        Models whose results were averaged with those of the first.
    """

    layer: Image
    axes: str
    level: int
    model: Path
    others: tuple[Path, ...] = ()

    @property
    def family(self) -> str:
        """Run of the model; what is of one run may replace one another."""
        return " & ".join(str(run_of(path)) for path in (self.model, *self.others))

    def metadata(self, kind: Kind) -> dict[str, Any]:
        """Plain values, for the metadata of a result."""
        return {
            "run": self.family,
            "model": str(self.model),
            "source": str(self.layer.name),
            "source_id": str(self.layer.unique_id),
            "level": self.level,
            "kind": kind,
            "fingerprint": None,
            "is_complete": False,
        }


@dataclass(frozen=True)
class Former:
    """A result that may be gone on with.

    Parameters
    ----------
    labels : ndarray
        Its voxels.
    fingerprint : str
        Of the voxels as they were predicted.
    values : tuple of int
        Of its classes.
    frame : dict
        Axes and place in the source.
    model : str
        State of the model file that it is from.
    maps : ndarray, optional
        Its probability maps.
    uncertainty : ndarray, optional
        Its map of uncertainty.
    uncertainty_name : str
        What that shows.
    """

    labels: npt.NDArray[Any]
    fingerprint: str
    values: tuple[int, ...]
    frame: Mapping[str, Any]
    model: str
    maps: npt.NDArray[Any] | None
    uncertainty: npt.NDArray[Any] | None = None
    uncertainty_name: str = ""


def run_of(model: Path) -> Path:
    """Run folder of a model in a run, or the model itself; looks at names only."""
    if model.parent.name == _CHECKPOINTS:
        return model.parents[1]
    return model.parent if model.name == _MODEL else model


def result_of(layer: Layer) -> dict[str, Any] | None:
    """Where a result layer is from; ``None`` for other layers, and for copies."""
    plugin = layer.metadata.get(PLUGIN_KEY)
    found = plugin.get(RESULT_KEY) if isinstance(plugin, dict) else None
    if not isinstance(found, dict) or found.get("layer_id") != str(layer.unique_id):
        return None
    return found


def is_result(layer: Layer) -> bool:
    """Whether a layer was made by this plugin, or is a copy of one that was."""
    plugin = layer.metadata.get(PLUGIN_KEY)
    return isinstance(plugin, dict) and RESULT_KEY in plugin


def find_result(viewer: ViewerModel, origin: Origin, kind: Kind) -> Layer | None:
    """Return the topmost result in memory of a source and a run."""
    wanted = origin.metadata(kind)
    keys = ("run", "source_id", "level", "kind")
    for layer in reversed(viewer.layers):
        found = result_of(layer)
        if found is None or "store" in found:
            continue
        if all(found.get(key) == wanted[key] for key in keys):
            return layer
    return None


def find_former(viewer: ViewerModel, origin: Origin) -> Former | None:
    """Return the segmentation that a prediction might go on with.

    Whether it was edited is found out from its fingerprint, in a thread.
    """
    layer = find_result(viewer, origin, "segmentation")
    found = result_of(layer) if layer is not None else None
    table = read_class_table(layer) if isinstance(layer, Labels) else None
    if layer is None or found is None or table is None or not found["fingerprint"]:
        return None
    if not _is_writeable(layer):
        return None
    map_layer = find_result(viewer, origin, "uncertainty")
    return Former(
        labels=layer.data,
        fingerprint=found["fingerprint"],
        values=table.values,
        frame=found["frame"],
        model=str(found.get("model_state")),
        maps=_map_of(find_result(viewer, origin, "probabilities"), found),
        uncertainty=_map_of(map_layer, found),
        uncertainty_name=str((_stored(map_layer) or {}).get("quantity", "")),
    )


def _stored(layer: Layer | None) -> dict[str, Any] | None:
    return None if layer is None else result_of(layer)


def _map_of(layer: Layer | None, labels: Mapping[str, Any]) -> npt.NDArray[Any] | None:
    """Voxels of a map of the same place and model as the labels, to write over."""
    found = _stored(layer)
    if layer is None or found is None or not _is_writeable(layer):
        return None
    if any(found.get(key) != labels.get(key) for key in ("frame", "model_state")):
        return None
    voxels: npt.NDArray[Any] = layer.data
    return voxels


def _is_writeable(layer: Layer) -> bool:
    return isinstance(layer.data, np.ndarray) and bool(layer.data.flags.writeable)


def store_result(layer: Layer, **values: Any) -> None:
    """Write into what a layer knows of itself as a result."""
    plugin = dict(layer.metadata.get(PLUGIN_KEY) or {})
    plugin[RESULT_KEY] = {**plugin.get(RESULT_KEY, {}), **values}
    layer.metadata = {**layer.metadata, PLUGIN_KEY: plugin}
