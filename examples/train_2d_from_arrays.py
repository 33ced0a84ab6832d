"""Train on 2D arrays, segment an image that was not trained on, and score it.

usage: train_2d_from_arrays.py [OUTPUT [ITERATIONS]]
"""

import sys
from pathlib import Path

import tifffile

from napari_segtrain import evaluate, predict, train, write_labels
from napari_segtrain.data.samples import sample_dir

output = Path(sys.argv[1] if len(sys.argv) > 1 else "axons")
iterations = int(sys.argv[2] if len(sys.argv) > 2 else 300)

axons = sample_dir("axons")
names = sorted(path.name for path in (axons / "train/image").iterdir())
images = [tifffile.imread(axons / "train/image" / name) for name in names]
labels = [tifffile.imread(axons / "train/label" / name) for name in names]

result = train(
    images,
    labels,
    output=output / "model",
    iterations=iterations,
    data={"classes": {1: "myelin", 2: "axon"}},
)
print(f"{result.iterations} iterations, validation IoU {result.score:.3f}")

(unseen,) = (axons / "test/image").iterdir()
segmentation = predict(result.model_path, tifffile.imread(unseen)).labels
write_labels(output / unseen.name, segmentation)

truth = tifffile.imread(axons / "test/label" / unseen.name)
print(evaluate(truth, segmentation).format_table())
