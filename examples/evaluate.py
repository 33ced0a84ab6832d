"""Score segmentations: per class, per image, per object; arrays, files or folders.

usage: evaluate.py [OUTPUT [TRUTH SEGMENTATION]]
"""

import sys
from pathlib import Path

import tifffile
from scipy import ndimage

from napari_segtrain import evaluate, read_labels, write_labels
from napari_segtrain.data.samples import sample_dir

output = Path(sys.argv[1] if len(sys.argv) > 1 else "scores")
truth = Path(sys.argv[2]) if len(sys.argv) > 3 else sample_dir("nuclei") / "test/label"
segmentation = Path(sys.argv[3]) if len(sys.argv) > 3 else output / "segmentation"

if len(sys.argv) <= 3:  # a poor segmentation, for something to score: wider nuclei
    for path in truth.iterdir():
        wide = ndimage.binary_dilation(tifffile.imread(path) > 0, iterations=2)
        write_labels(segmentation / path.name, ndimage.label(wide)[0])

# Folders are paired by file name; values are ids of objects, as can be seen from them.
report = evaluate(truth, segmentation, objects=True)
print(report.format_table())
report.write_csv(output / "metrics.csv")
report.write_json(output / "metrics.json")

# Arrays and label images work as well, one by one or in lists.
first = sorted(truth.iterdir())[0]
alone = evaluate(read_labels(first), tifffile.imread(segmentation / first.name))
print(f"{first.name} alone: IoU {alone.iou:.3f}")
