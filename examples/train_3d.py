"""Train on a volume and segment another; voxel size and slices come from the files.

usage: train_3d.py [OUTPUT [ITERATIONS]]
"""

import sys
from pathlib import Path

from napari_segtrain import evaluate, load_model, predict, train, write_labels
from napari_segtrain.data.samples import sample_dir

output = Path(sys.argv[1] if len(sys.argv) > 1 else "embryo")
iterations = int(sys.argv[2] if len(sys.argv) > 2 else 200)

embryo = sample_dir("embryo")
result = train(
    embryo / "train/image",
    embryo / "train/label",
    output=output / "model",
    iterations=iterations,
    data={"classes": {1: "nucleus"}},
    network={"dims": 3},
    sampling={"patch_size": (32, 64, 64), "batch_size": 2},
)
model = load_model(result.model_path)
print(f"{model.spec.axes} at {model.spec.voxel_size} µm, {model.spec.classes.names}")

for image in (embryo / "test/image").iterdir():
    prediction = predict(model, image)
    write_labels(output / "segmentation" / image.name, prediction.labels)
    print(f"{image.name}: {prediction.seconds:.1f} s")

report = evaluate(embryo / "test/label", output / "segmentation")
print(report.format_table())
