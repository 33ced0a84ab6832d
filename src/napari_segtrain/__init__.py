"""napari-segtrain: train, use and judge segmentation networks on microscopy images.

Importing this package loads no torch, MONAI, napari or Qt; each public name is loaded
when it is first used.
"""

from __future__ import annotations

import importlib
import os
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_segtrain.config import ExperimentConfig
    from napari_segtrain.control import RunControl
    from napari_segtrain.image import ClassTable, Image, LabelImage
    from napari_segtrain.io import read_image, read_labels, write_labels
    from napari_segtrain.models import Model
    from napari_segtrain.workflows.evaluation import evaluate
    from napari_segtrain.workflows.held_out import evaluate_held_out
    from napari_segtrain.workflows.models import load_model
    from napari_segtrain.workflows.objects import find_objects
    from napari_segtrain.workflows.prediction import predict
    from napari_segtrain.workflows.training import resume, train
    from napari_segtrain.workflows.volumes import predict_volume, preview_blocks

# Read when torch is loaded: its threads spin for a moment only while they wait for one
# another, then sleep. Were they to spin on, training would be many times slower as soon
# as another program (a viewer, say) uses the same cores; see benchmarks/RESULTS.md.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

try:
    __version__ = version("napari-segtrain")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"

_HOME = {
    "ClassTable": "image",
    "ExperimentConfig": "config",
    "Image": "image",
    "LabelImage": "image",
    "Model": "models",
    "RunControl": "control",
    "evaluate": "workflows.evaluation",
    "evaluate_held_out": "workflows.held_out",
    "find_objects": "workflows.objects",
    "load_model": "workflows.models",
    "predict": "workflows.prediction",
    "predict_volume": "workflows.volumes",
    "preview_blocks": "workflows.volumes",
    "read_image": "io",
    "read_labels": "io",
    "resume": "workflows.training",
    "train": "workflows.training",
    "write_labels": "io",
}

__all__ = [
    "ClassTable",
    "ExperimentConfig",
    "Image",
    "LabelImage",
    "Model",
    "RunControl",
    "evaluate",
    "evaluate_held_out",
    "find_objects",
    "load_model",
    "predict",
    "predict_volume",
    "preview_blocks",
    "read_image",
    "read_labels",
    "resume",
    "train",
    "write_labels",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """Public names, whether loaded or not."""
    return sorted([*globals(), *_HOME])
