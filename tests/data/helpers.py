"""Small data sets, and arrays that tell what was read of them."""

from __future__ import annotations

import numpy as np

from napari_segtrain.config import DataConfig
from napari_segtrain.data.classes import propose_classes
from napari_segtrain.data.dataset import Dataset, Sample
from napari_segtrain.data.facts import index_pairs, targets_of
from napari_segtrain.data.label_facts import LabelFacts, inspect_labels
from napari_segtrain.data.targets import used_slices
from napari_segtrain.image import ClassInfo, ClassTable, Image, Item, LabelImage


class RecordingArray:
    """An array that remembers how many voxels each read asked for.

    Without values it is as large as one likes, and every read is 0.
    """

    def __init__(self, values=None, *, shape=None, dtype=np.uint8):
        self.values = values
        self.shape = values.shape if values is not None else shape
        self.dtype = values.dtype if values is not None else np.dtype(dtype)
        self.reads = []

    def __getitem__(self, key):
        spans = [
            range(size)[part] if isinstance(part, slice) else (part,)
            for part, size in zip(key, self.shape, strict=True)
        ]
        self.reads.append(int(np.prod([len(span) for span in spans])))
        if self.values is not None:
            return self.values[key]
        kept = [
            len(span)
            for span, part in zip(spans, key, strict=True)
            if isinstance(part, slice)
        ]
        return np.zeros(kept, self.dtype)


def label_item(values, axes=None) -> Item:
    axes = axes or "ZYX"[-values.ndim :]
    return LabelImage(values, axes).items()[0]


def facts_of(values, axes=None, image=0) -> list[LabelFacts]:
    """Facts of every item of a label array."""
    axes = axes or "ZYX"[-values.ndim :]
    items = LabelImage(values, axes).items()
    return [inspect_labels(item, image=image) for item in items]


def class_table(*values, unlabelled=(), zero="dense", is_objects=False) -> ClassTable:
    rows = [
        ClassInfo(v, f"class {v}", "#ffffff", "class" if n else "background")
        for n, v in enumerate(values)
    ]
    rows += [ClassInfo(v, "unlabelled", "#808080", "unlabelled") for v in unlabelled]
    return ClassTable(tuple(rows), is_objects=is_objects, zero=zero)


def make_dataset(*labels, axes=None) -> Dataset:
    """One sample per label array, with an image of the same size and random voxels."""
    rng = np.random.default_rng(0)
    samples = []
    for number, values in enumerate(labels):
        letters = axes or "ZYX"[-values.ndim :]
        image = rng.integers(0, 200, values.shape).astype(np.uint8)
        name = f"sample {number}"
        samples.append(
            Sample(
                Image(image, letters, name=name), LabelImage(values, letters, name=name)
            )
        )
    return Dataset(tuple(samples))


def index_dataset(dataset, config=None, seed=0):
    """Pairs, class table, targets and indices of the labels, as training has them."""
    pairs = dataset.pairs()
    facts = [inspect_labels(p.labels, image=p.sample) for p in pairs]
    table = propose_classes(facts, config or DataConfig())
    used = [used_slices(fact.painted, table) for fact in facts]
    targets = targets_of(pairs, table, used)
    return pairs, table, targets, index_pairs(pairs, table, used, seed)
