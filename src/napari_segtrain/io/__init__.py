"""Files and stores: images and labels in, label images and probability maps out."""

from napari_segtrain.io.atomic import (
    atomic_path,
    refuse_existing,
    write_bytes,
    write_json,
    write_text,
)
from napari_segtrain.io.finding import FoundImage, find_images, is_pattern
from napari_segtrain.io.fingerprint import fingerprint
from napari_segtrain.io.formats import image_stem
from napari_segtrain.io.images import read_image, read_labels
from napari_segtrain.io.label_pictures import (
    check_picture_values,
    stack_axis,
    write_label_pictures,
)
from napari_segtrain.io.listing import list_images, list_skipped, natural_key
from napari_segtrain.io.pairing import Pairing, pair_files
from napari_segtrain.io.stacks import looks_like_slices, read_stack
from napari_segtrain.io.writing import Planes, write_labels, write_probabilities

__all__ = [
    "FoundImage",
    "Pairing",
    "Planes",
    "atomic_path",
    "check_picture_values",
    "find_images",
    "fingerprint",
    "image_stem",
    "is_pattern",
    "list_images",
    "list_skipped",
    "looks_like_slices",
    "natural_key",
    "pair_files",
    "read_image",
    "read_labels",
    "read_stack",
    "refuse_existing",
    "stack_axis",
    "write_bytes",
    "write_json",
    "write_label_pictures",
    "write_labels",
    "write_probabilities",
    "write_text",
]
