"""A trained model on disk and in memory."""

from napari_segtrain.models.bundle import (
    THUMBNAIL_NAME,
    Model,
    assemble,
    load_bundle,
    save_model,
)
from napari_segtrain.models.spec import ModelSpec, dump_spec, parse_spec

__all__ = [
    "THUMBNAIL_NAME",
    "Model",
    "ModelSpec",
    "assemble",
    "dump_spec",
    "load_bundle",
    "parse_spec",
    "save_model",
]
