"""Numbers about a segmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_segtrain.image import ClassInfo, ClassTable, LabelImage
from napari_segtrain.io.pyramids import Content, PyramidWriter, create_pyramid
from napari_segtrain.io.pyramids import plan_layout as plan
from napari_segtrain.workflows import contents
from napari_segtrain.workflows.contents import content_names, count_labels, count_store

CLASSES = ClassTable(
    (
        ClassInfo(1, "outside", "#000000", "background"),
        ClassInfo(2, "cell", "#ff0000"),
        ClassInfo(9, "cell", "#00ff00"),
    )
)
OBJECTS = ClassTable(
    (ClassInfo(0, "outside", "#000000", "background"), ClassInfo(1, "cell", "#ff0000")),
    is_objects=True,
)


def test_shares_of_classes() -> None:
    values = np.array([[[1, 1], [2, 9]], [[1, 1], [2, 0]]], np.uint8)
    found = count_labels(LabelImage(values, "TYX"), CLASSES)
    assert list(found) == content_names(CLASSES)
    shares = {"share_outside": 0.5, "share_2": 0.25, "share_9": 0.125}
    assert found == shares  # of all voxels; 0 was not predicted


def test_objects_of_each_item() -> None:
    values = np.array([[[0, 7], [7, 8]], [[7, 7], [0, 0]]], np.uint32)
    assert count_labels(LabelImage(values, "TYX"), OBJECTS) == {"n_objects": 3}


def test_an_object_in_two_blocks_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = contents.iter_blocks
    monkeypatch.setattr(contents, "iter_blocks", lambda shape: blocks(shape, 16))
    values = np.repeat(np.arange(5, dtype=np.uint16), 40).reshape(1, 10, 20)
    assert count_labels(LabelImage(values, "ZYX"), OBJECTS) == {"n_objects": 4}


@pytest.mark.parametrize("most", [1 << 30, 20_000])
def test_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(contents, "_MAX_VOXELS", most)
    values = np.ones((512, 512), np.uint8)
    values[:256] = 2
    for name, classes in (("a", CLASSES), ("b", OBJECTS)):
        layout = plan("YX", (), (1, 512, 512), (1, 512, 512), None)
        content = Content("labels", "uint8", name, None, classes=classes)
        create_pyramid(tmp_path / name, layout, content)
        writer = PyramidWriter(tmp_path / name, layout, "labels")
        box = (slice(0, 1), slice(0, 512), slice(0, 512))
        writer.write((), box, values[None])
    shares = count_store(tmp_path / "a", CLASSES)
    assert shares["share_2"] == pytest.approx(0.5)
    n_objects = count_store(tmp_path / "b", OBJECTS)["n_objects"]
    assert n_objects == (None if most == 20_000 else 2)
