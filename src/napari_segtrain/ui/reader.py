"""What is dropped on the viewer: models to predict with, and results to look at."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari

from napari_segtrain.inference.volume.work_folder import REPORT, work_path
from napari_segtrain.ui.docks import open_dock
from napari_segtrain.ui.session import session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SPEC, PLAN, WEIGHTS = "model.yaml", "plan.json", "weights.safetensors"
_MAX_HEADER_BYTES = 16 << 20
_MAX_ZIP_ENTRIES = 64
_LENGTH_BYTES = 8

NO_LAYER: list[tuple[None]] = [(None,)]
"""What a reader of napari returns that adds no layer."""


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[Any]] | None:
    """Return a reader for models and runs, and for stores of results.

    Parameters
    ----------
    path : str or list of str
        What was dropped or opened.

    Returns
    -------
    callable or None
        Chooses the model in the current viewer and gives no layer, or gives layers of
        a result; ``None`` when the path holds nothing of this package.
    """
    if result_at(path) is not None:
        return read_result
    return None if model_at(path) is None else read


def read(path: str | Sequence[str]) -> list[tuple[None]]:
    """Choose the model at a path in the current viewer, and show the Predict dock."""
    found, viewer = model_at(path), napari.current_viewer()
    if found is not None and viewer is not None:
        session = session_of(viewer)
        session.choose_model(found)
        open_dock(session, "Predict")
    return NO_LAYER


def read_result(path: str | Sequence[str]) -> list[Any]:
    """Layers of a store of results; only what is looked at is read."""
    from napari_segtrain.ui.layers.result_stores import result_layers

    found = result_at(path)
    return NO_LAYER if found is None else result_layers(found)


def result_at(path: str | Path | Sequence[str]) -> Path | None:
    """Path of a store that a prediction has written, complete or not."""
    if not isinstance(path, str | Path):
        return result_at(path[0]) if len(path) == 1 else None
    path = Path(path)
    is_result = (path / REPORT).is_file() or work_path(path).is_dir()
    return path if is_result and (path / "zarr.json").is_file() else None


def model_at(path: str | Path | Sequence[str]) -> Path | None:
    """Path for `load_model`, when a model or run seems to be there.

    Only names and headers are looked at.

    Parameters
    ----------
    path : str, Path or list of str
        A run folder, model folder, zip, checkpoint, or a file in such a folder.
    """
    if not isinstance(path, str | Path):
        return model_at(path[0]) if len(path) == 1 else None
    path = Path(path)
    if path.name in {SPEC, PLAN, WEIGHTS}:
        path = path.parent
    try:
        return path if _is_model(path) else None
    except (OSError, ValueError, zipfile.BadZipFile):
        return None


def _is_model(path: Path) -> bool:
    if path.is_dir():
        return (path / PLAN).is_file() or (path / SPEC).is_file()
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:_MAX_ZIP_ENTRIES]
        return any(Path(name).name == SPEC for name in names)
    return path.suffix.lower() == ".safetensors" and _is_checkpoint(path)


def _is_checkpoint(path: Path) -> bool:
    """Whether the header of a safetensors file describes one of our models."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if size > _MAX_HEADER_BYTES:
            return False
        header = json.loads(file.read(size))
    return {"progress", "model"} <= set(header.get("__metadata__") or {})
