"""A trained model on disk and in memory."""

from napari_segtrain.models.bundle import (
    THUMBNAIL_NAME,
    Model,
    assemble,
    load_bundle,
    save_model,
)
from napari_segtrain.models.calibration import TileCalibration
from napari_segtrain.models.decision import Decision, decision_words
from napari_segtrain.models.ensemble import (
    SPREAD,
    first_member,
    join_models,
    mean_scores,
)
from napari_segtrain.models.spec import ModelSpec, dump_spec, parse_spec

__all__ = [
    "SPREAD",
    "THUMBNAIL_NAME",
    "Decision",
    "Model",
    "ModelSpec",
    "TileCalibration",
    "assemble",
    "decision_words",
    "dump_spec",
    "first_member",
    "join_models",
    "load_bundle",
    "mean_scores",
    "parse_spec",
    "save_model",
]
