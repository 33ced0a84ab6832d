"""The model that was used last, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from napari_segtrain.models import Model


class ModelCache:
    """The model that was used last, in memory.

    It is read again when its path is another or its files have changed.
    """

    def __init__(self) -> None:
        self._state = ""
        self._model: Model | None = None

    def load(self, path: Path) -> tuple[Model, str]:
        """Return a model and the state of its files."""
        from napari_segtrain.workflows.models import load_model

        state = state_of(path)
        if self._model is None or state != self._state:
            self._model = None
            self._model, self._state = load_model(path), state
        return self._model, state


def state_of(path: Path) -> str:
    """Path, times and sizes of the files of a model; differs when one changed."""
    names = (
        "model.yaml", "weights.safetensors", "model/model.yaml",
        "model/weights.safetensors", "checkpoints/best.safetensors",
        "checkpoints/latest.safetensors",
    )  # fmt: skip
    parts = [str(path)]
    folds = sorted(path.glob("folds/*/model/weights.safetensors"))
    for file in (path, *(path / name for name in names), *folds):
        try:
            found = file.stat()
        except OSError:
            continue
        if not file.is_dir():
            parts.append(f"{file.name} {found.st_mtime_ns} {found.st_size}")
    return "; ".join(parts)
