"""Train on few labels, look, label more, and train on from the first model.

usage: train_on.py [OUTPUT [ITERATIONS]]
"""

import sys
from pathlib import Path

from napari_segtrain import evaluate, predict, train
from napari_segtrain.data.samples import sample_dir

output = Path(sys.argv[1] if len(sys.argv) > 1 else "train-on")
iterations = int(sys.argv[2] if len(sys.argv) > 2 else 200)

axons = sample_dir("axons")
(unseen,) = (axons / "test/image").iterdir()
truth = axons / "test/label" / unseen.name
images = sorted((axons / "train/image").iterdir())
labels = sorted((axons / "train/label").iterdir())

# The first round: one image is labelled.
first = train(images[0], labels[0], output=output / "run1", iterations=iterations)

# The second round: another image has labels, too. The first weights are those of the
# first model; its run stays as it is.
second = train(
    images,
    labels,
    output=output / "run2",
    iterations=iterations,
    continue_from=first.model_path,
)

for result in (first, second):
    report = evaluate(truth, predict(result.model_path, unseen).labels)
    print(f"{result.run_dir.name}: IoU {report.iou:.3f}")
