"""Segment every image of a folder with a model, one label file per image.

usage: predict_folder.py [OUTPUT [ITERATIONS [MODEL IMAGES]]]
"""

import sys
from pathlib import Path

from napari_segtrain import load_model, predict, read_image, train, write_labels
from napari_segtrain.data.samples import sample_dir

output = Path(sys.argv[1] if len(sys.argv) > 1 else "nuclei")
iterations = int(sys.argv[2] if len(sys.argv) > 2 else 200)
nuclei = sample_dir("nuclei")

if len(sys.argv) > 4:
    model, images = load_model(sys.argv[3]), Path(sys.argv[4])
else:
    folders = nuclei / "train/image", nuclei / "train/label"
    result = train(*folders, output=output / "model", iterations=iterations)
    model, images = load_model(result.model_path), nuclei / "test/image"

for path in sorted(images.glob("*.tif")):
    image = read_image(path)
    prediction = predict(model, image, probabilities="uint8")
    write_labels(output / "segmentation" / path.name, prediction.labels)
    share = (prediction.probabilities.array[1] > 127).mean()
    n_objects = int(prediction.labels.array.max())
    print(f"{path.name}: {n_objects} objects cover {share:.1%} of {image.array.shape}")
