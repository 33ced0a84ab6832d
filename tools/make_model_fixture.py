"""Make the model that later releases must still read.

``python tools/make_model_fixture.py``: writes ``model-format-1.zip``, a tiny 2D network
with fixed weights, and ``model-format-1.json``, an image and what the network says of
it, to ``tests/models/fixtures``. Run it when the network or the format changes before
the release of that format; never afterwards.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from napari_segtrain.config import UNetConfig
from napari_segtrain.data.intensity_map import IntensityMap
from napari_segtrain.data.normalize import Normalization
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.models import ModelSpec, load_bundle, save_model
from napari_segtrain.models.spec import FORMAT_VERSION
from napari_segtrain.networks import build_network

FOLDER = Path(__file__).parents[1] / "tests/models/fixtures"
SEED = 20
SIZE = 24

SPEC = ModelSpec(
    name="format fixture",
    dims=2,
    n_channels=2,
    channel_names=("membrane", "dna"),
    network=UNetConfig(
        dims=2, depth=2, stem=1, first_filters=4, kernel_size=3, norm="batch"
    ),
    normalization=Normalization(
        "zscore", "training-set", (1.0, 99.8), IntensityMap((90.0, 40.0), (0.02, 0.05))
    ),
    classes=ClassTable(
        (
            ClassInfo(0, "background", "#000000", "background", 900),
            ClassInfo(7, "axon", "#e6194b", "class", 80),
            ClassInfo(300, "myelin", "#3cb44b", "class", 20),
            ClassInfo(255, "unlabelled", "#808080", "unlabelled", 5),
        )
    ),
    patch_size=(1, 32, 32),
    voxel_size=(0.25, 0.25),
    scores={"mean IoU": 0.75, "IoU axon": None},
    provenance={"seed": SEED, "images": ["a", "b"], "note": "made, not trained"},
)


def make_weights() -> dict[str, torch.Tensor]:
    """Random weights, with the running statistics of a few random batches.

    The last layer is made stronger, so that the probabilities differ.
    """
    torch.set_num_threads(1)
    network = build_network(SPEC.network, in_channels=2, n_classes=3, seed=SEED)
    generator = torch.Generator().manual_seed(SEED)
    for _ in range(4):
        network(torch.randn(4, 2, SIZE, SIZE, generator=generator))
    weights = dict(network.state_dict())
    weights["head.weight"] *= 20
    return weights


def predict(path: Path, image: np.ndarray) -> np.ndarray:
    """Probabilities (K, Y, X) of an image (C, Y, X)."""
    model = load_bundle(path)
    intensities = model.spec.normalization.training_set
    assert intensities is not None
    batch = torch.from_numpy(intensities.apply(image))[None]
    with torch.inference_mode():
        return model.network(batch).softmax(1)[0].numpy()


def main() -> None:
    """Write both files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"model-format-{FORMAT_VERSION}.zip"
    path.unlink(missing_ok=True)
    save_model(path, SPEC, make_weights())
    image = np.random.default_rng(SEED).integers(0, 200, (2, SIZE, SIZE), np.uint8)
    expected = predict(path, image)
    content = {
        "image": image.tolist(),
        "probabilities": np.round(expected.astype(float), 6).tolist(),
    }
    path.with_suffix(".json").write_text(json.dumps(content) + "\n", "utf-8")
    for file in (path, path.with_suffix(".json")):
        print(f"{file} ({file.stat().st_size} bytes)")


if __name__ == "__main__":
    main()
