"""The bundled samples as layers, in File > Open Sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from qtpy.QtCore import QTimer

from napari_segtrain.axes import spatial_axes
from napari_segtrain.data.samples import SAMPLES, SampleInfo, sample_dir
from napari_segtrain.image import ClassInfo, ClassTable, Role, default_color
from napari_segtrain.io import natural_key, read_image, read_labels

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from napari.layers import Image, Labels

    LayerTuple = tuple[Any, dict[str, Any], str]

_GAP = 40
"""Pixels between images that lie side by side."""

_BACK: Role = "background"


def axons_with_strokes() -> list[LayerTuple]:
    """Two training images with strokes, and one to predict with its ground truth.

    They lie side by side. The dense ground truth is hidden and has the values of the
    strokes, so that predictions can be compared with it: 1 background, 2 myelin,
    3 axon.
    """
    table = _stroke_table(_info("axons"))
    dense = ClassTable(table.classes)
    folder = sample_dir("axons")
    row = _Row()
    for number, path in enumerate(_files(folder / "train/image"), start=1):
        strokes = read_labels(folder / "train/strokes" / path.name)
        row.add(
            _image(path, f"axons {number}"),
            _labels(np.asarray(strokes.array), f"strokes {number}", table),
        )
    for path in _files(folder / "test/image"):
        truth = np.asarray(read_labels(folder / "test/label" / path.name).array)
        hidden = _labels(truth + np.uint8(1), "test ground truth", dense, visible=False)
        row.add(_image(path, "axons test"), hidden)
    return row.opened()


def axons() -> list[LayerTuple]:
    """Two training images with dense labels, and one to predict."""
    return _pairs("axons")


def nuclei() -> list[LayerTuple]:
    """Three training images with an id per nucleus, and one to predict."""
    return _pairs("nuclei", n_train=3)


def embryo() -> list[LayerTuple]:
    """Return a training stack with labels, and one to predict; voxels in µm."""
    return _pairs("embryo")


def _pairs(name: str, n_train: int | None = None) -> list[LayerTuple]:
    info, folder, row = _info(name), sample_dir(name), _Row()
    table = _dense_table(info)
    for number, path in enumerate(_files(folder / "train/image")[:n_train], start=1):
        labels = read_labels(folder / "train/label" / path.name)
        row.add(
            _image(path, f"{name} {number}"),
            _labels(np.asarray(labels.array), f"{name} {number} labels", table),
        )
    path = _files(folder / "test/image")[0]
    truth = np.asarray(read_labels(folder / "test/label" / path.name).array)
    row.add(
        _image(path, f"{name} test"),
        _labels(truth, f"{name} test ground truth", table, visible=False),
    )
    return row.opened()


class _Row:
    """Images with their labels, one beside the other along X."""

    def __init__(self) -> None:
        self._layers: list[LayerTuple] = []
        self._n_columns = 0

    def add(self, image: Image, labels: Labels) -> None:
        for layer in (image, labels):
            layer.scale, layer.units = image.scale, image.units
            layer.translate = [0.0] * (image.ndim - 1) + [
                self._n_columns * image.scale[-1]
            ]
            self._layers.append(layer.as_layer_data_tuple())
        self._n_columns += image.data.shape[-1] + _GAP

    def opened(self) -> list[LayerTuple]:
        """Return the layers; an empty viewer will show all of them, not the first."""
        viewer = napari.current_viewer()
        if viewer is not None and not viewer.layers:
            QTimer.singleShot(0, viewer.reset_view)
        return self._layers


def _image(path: Path, name: str) -> Image:
    from napari.layers import Image

    image = read_image(path)
    letters = spatial_axes(image.axes)
    size = image.voxel_size or (1.0,) * len(letters)
    unit = "pixel" if image.voxel_size is None else "micrometer"
    array = np.asarray(image.array)
    return Image(
        array,
        name=name,
        scale=size,
        units=(unit,) * len(letters),
        axis_labels=tuple(letters.lower()),
        contrast_limits=_limits(array),
        metadata={"segtrain": {"sample": path.parent.parent.parent.name}},
    )


def _limits(array: npt.NDArray[Any]) -> tuple[float, float]:
    low, high = np.percentile(array, (0.5, 99.8))
    return float(low), float(max(high, low + 1))


def _labels(
    array: npt.NDArray[Any], name: str, table: ClassTable, *, visible: bool = True
) -> Labels:
    from napari.layers import Labels

    from napari_segtrain.ui.layers.reading import write_class_table

    layer = Labels(array, name=name, visible=visible)
    layer.axis_labels = tuple("zyx"[-layer.ndim :])
    write_class_table(layer, table)
    return layer


def _stroke_table(info: SampleInfo) -> ClassTable:
    """Table of strokes: 0 unlabelled, then background and the classes."""
    rows = [
        ClassInfo(index + 1, name, default_color(index), "class" if index else _BACK)
        for index, name in enumerate(info.classes)
    ]
    unlabelled = ClassInfo(0, "unlabelled", "#808080", "unlabelled")
    return ClassTable((*rows, unlabelled), zero="unlabelled")


def _dense_table(info: SampleInfo) -> ClassTable:
    background = ClassInfo(0, info.classes[0], "#000000", _BACK)
    others = enumerate(info.classes[1:], start=1)
    rows = [ClassInfo(value, name, default_color(value)) for value, name in others]
    is_objects = info.target == "instances"
    return ClassTable((background, *rows), is_objects=is_objects)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda path: natural_key(path.name))


def _info(name: str) -> SampleInfo:
    return next(info for info in SAMPLES if info.name == name)
