"""Small volumes and how they are predicted into stores."""

import numpy as np
from tests.inference.helpers import finish, tiny_model

from napari_segtrain.config import InferenceConfig, VolumeConfig
from napari_segtrain.image import Image
from napari_segtrain.inference.predictor import iter_prediction
from napari_segtrain.inference.volume.opening import open_volume
from napari_segtrain.inference.volume.run import iter_volume_prediction
from napari_segtrain.io import read_image, read_labels

SHAPE = (21, 40, 53)
BLOCKS = VolumeConfig(block_size=(8, 16, 32))
CPU = InferenceConfig(device="cpu", engine="torch", halo="exact")
MODEL = tiny_model(3)


def cells(shape=SHAPE, seed=0):
    """Noise of some grain, uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, [-(-n // 4) for n in shape]).astype(np.uint8)
    for axis, n in enumerate(shape):
        coarse = coarse.repeat(4, axis).take(range(n), axis)
    return np.maximum(coarse, rng.integers(0, 90, shape)).astype(np.uint8)


VOLUME = Image(cells(), "ZYX", (0.4, 0.1, 0.1), name="cells")


def predicted(path, model=MODEL, image=VOLUME, config=CPU, volume=BLOCKS, **options):
    """Predict into a store; return the events and the result."""
    names = ("area", "overwrite", "may_begin")
    opening = {n: options.pop(n) for n in names if n in options}
    opened = open_volume([model], image, path, config, volume, **opening)
    return finish(iter_volume_prediction(opened, **options))


def whole(model=MODEL, image=VOLUME, config=CPU):
    """The same in one piece."""
    return finish(iter_prediction(model, image, config))[1]


def labels_of(path):
    return np.asarray(read_labels(path).array[...])


def maps_of(path, name="probabilities"):
    return np.asarray(read_image(path.parent / name / path.name).array[...])


def same_partition(first, second):
    """Whether two label images have the same objects, by whatever ids."""
    pairs = np.unique(np.stack([first.ravel(), second.ravel()]), axis=1)
    is_zero = (pairs == 0).any(axis=0)
    own = [len(np.unique(row)) for row in pairs]
    return own[0] == own[1] == pairs.shape[1] and is_zero.sum() <= 1


def files_of(folder):
    """Bytes of all files of a folder."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
