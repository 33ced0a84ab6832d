"""The models that were used last, in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_segtrain.models import Model


class ModelCache:
    """The models that were used last, in memory.

    They are read again when their paths are others or their files have changed.
    """

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        self._lock = threading.Lock()

    def load(self, paths: Sequence[Path]) -> tuple[list[Model], str]:
        """Return models, and the state of their files."""
        from napari_segtrain.workflows.models import load_model

        states = {path: state_of(path) for path in paths}
        with self._lock:
            known, self._models = self._models, {}
            for state in states.values():
                if state in known:
                    self._models[state] = known[state]
            known = {}  # what is not wanted goes before others are read
            for path, state in states.items():
                if state not in self._models:
                    self._models[state] = load_model(path)
            found = [self._models[states[path]] for path in paths]
        return found, " & ".join(states[path] for path in paths)


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
