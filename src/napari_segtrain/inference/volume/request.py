"""What is predicted with what: by this a run is known again."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segtrain.inference.rescaling import rescaling_of
from napari_segtrain.inference.volume.source import at_lower_resolution
from napari_segtrain.io import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.config import InferenceConfig, VolumeConfig
    from napari_segtrain.image import Image, LazyArray
    from napari_segtrain.inference.protocol import TrainedModel

_MACHINE = {"device", "engine", "memory_limit", "tile_size", "batch_size", "amp"}
"""Settings that may differ when a run goes on: how it is computed is kept from its
start."""
_N_PROBES = 128
"""Places at which an array is looked at that is not in memory."""
_PROBE = 16
_MAX_BYTES = 4 << 30
"""Of an array whose voxels are all looked at: some seconds."""

Request = dict[str, Any]

_WORDS = {
    "models": "other models",
    "image": "another image",
    "settings": "other settings",
    "volume": "other blocks",
    "area": "another region or mask",
}


def describe_request(
    models: Sequence[TrainedModel],
    image: Image,
    config: InferenceConfig,
    volume: VolumeConfig,
    area: Request,
    hashes: Sequence[str] = (),
) -> Request:
    """Say what is asked for, as values that JSON takes.

    Parameters
    ----------
    models : sequence of TrainedModel
        What is applied.
    image : Image
        What is predicted.
    config : InferenceConfig
        Settings; those of the machine do not count.
    volume : VolumeConfig
        Blocks.
    area : dict
        Which part of the image, by region and mask.
    hashes : sequence of str, optional
        Of the models, see `hash_model`, where they are known.

    Raises
    ------
    ConfigError, DataError
        As of `rescaling_of`.
    """
    seen = at_lower_resolution(image, volume.downsampling)
    rescalings = [rescaling_of(model, seen, config) for model in models]
    settings = config.model_dump(mode="json", exclude={*_MACHINE, "rescale"})
    if any(rescalings):  # nothing else is asked for where there is nothing to do
        settings["rescale"] = [each and each.ratios for each in rescalings]
    request = {
        "models": list(hashes) or [hash_model(model) for model in models],
        "image": _image_hash(image),
        "settings": settings,
        "volume": volume.model_dump(mode="json"),
        "area": area,
    }
    plain: Request = json.loads(json.dumps(request))
    return plain


def differences(first: Request, second: Request) -> str:
    """Say in which parts two requests differ; empty when they are the same."""
    found = [text for key, text in _WORDS.items() if first.get(key) != second.get(key)]
    return " and ".join(found)


def hash_model(model: TrainedModel) -> str:
    """Hash of the weights, and of all that says what is made of their result."""
    spec = model.spec
    meaning = (spec.normalization, spec.classes, spec.objects, spec.decision)
    digest = hashlib.sha256(repr(meaning).encode())
    for name, values in model.network.state_dict().items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(values.cpu().numpy()).data)
    return digest.hexdigest()


def _image_hash(image: Image) -> list[Any]:
    facts = [image.axes, list(image.array.shape), str(image.array.dtype), image.level]
    if image.source is not None:
        return [*facts, fingerprint(image.source)]
    return [*facts, _voxel_hash(image.array)]


def _voxel_hash(array: LazyArray) -> str:
    """Hash of all voxels in memory, or of many small parts of what is read lazily."""
    digest = hashlib.blake2b(digest_size=16)
    shape = tuple(map(int, array.shape))
    is_on_disk = isinstance(array, np.memmap)
    if isinstance(array, np.ndarray) and not is_on_disk and array.nbytes <= _MAX_BYTES:
        for plane in array:
            digest.update(np.ascontiguousarray(plane).data)
        return digest.hexdigest()
    random = np.random.default_rng(0)
    for _ in range(_N_PROBES):
        starts = [int(random.integers(max(1, n - _PROBE + 1))) for n in shape]
        key = tuple(slice(start, start + _PROBE) for start in starts)
        digest.update(np.ascontiguousarray(array[key]).data)
    return digest.hexdigest()
