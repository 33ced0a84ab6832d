"""Make the bundled samples from the original data sets.

``python tools/make_samples.py SOURCE [TARGET]``: SOURCE holds ``axons_sem``,
``nuclei_dsb2018`` and ``embryo_nuclei_3d`` as TIFF; TARGET is the package's folder of
samples. The same SOURCE gives the same files, byte for byte.
"""

from __future__ import annotations

import argparse
import uuid
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES_DIR = Path(__file__).parents[1] / "src/napari_segtrain/data/samples"

AXON_TRAIN = {
    "sub-rat1_sample-data1_SEM": (slice(None), slice(0, 1000)),
    "sub-rat3_sample-data9_SEM": (slice(None), slice(None)),
}
AXON_TEST = {"sub-rat4_sample-data12_SEM": (slice(None), slice(None))}
NUCLEI_TRAIN = ("001", "002", "006", "008", "010", "017", "020", "037")
NUCLEI_TEST = ("002", "004", "010")
EMBRYO_STAGES = {"train": "8_cell", "test": "16_cell"}
EMBRYO_VOXEL_SIZE = (1.75, 0.8, 0.8)
"""Micrometers per voxel, ZYX."""

STROKE_SEED = 2018
STROKE_SHARE = 0.04
BRUSH_SIZES = (3, 4, 5, 6, 7)
"""Diameters in pixels."""
STROKE_STEPS = (60, 250)
MIN_STEPS = 12
START_MARGIN = 2
"""Pixels between the start of a curve and the border of its class."""
TURNS = np.linspace(-0.5, 0.5, 7)
"""Changes of direction, in radians, that a hand may make from one pixel to the next."""


def main() -> None:
    """Write every sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path, nargs="?", default=SAMPLES_DIR)
    options = parser.parse_args()
    make_axons(options.source / "axons_sem", options.target / "axons")
    make_nuclei(options.source / "nuclei_dsb2018", options.target / "nuclei")
    make_embryo(options.source / "embryo_nuclei_3d", options.target / "embryo")
    total = sum(p.stat().st_size for p in options.target.rglob("*") if p.is_file())
    print(f"{options.target}: {total / 1e6:.2f} MB")


def make_axons(source: Path, target: Path) -> None:
    """Axons in SEM: crops, dense labels, and strokes on the training images."""
    for split, crops in (("train", AXON_TRAIN), ("test", AXON_TEST)):
        for name, crop in crops.items():
            labels = tifffile.imread(source / "label" / f"{name}.tif")[crop]
            image = tifffile.imread(source / "image" / f"{name}.tif")[crop]
            write_tiff(target / split / "image" / f"{name}.tif", image)
            write_tiff(target / split / "label" / f"{name}.tif", labels)
            if split == "train":
                strokes = paint_strokes(labels, rng=np.random.default_rng(STROKE_SEED))
                write_tiff(target / split / "strokes" / f"{name}.tif", strokes)


def make_nuclei(source: Path, target: Path) -> None:
    """Fluorescence nuclei with an id each."""
    for split, names in (("train", NUCLEI_TRAIN), ("test", NUCLEI_TEST)):
        for name in names:
            for kind in ("image", "label"):
                array = tifffile.imread(source / split / kind / f"{name}.tif")
                write_tiff(target / split / kind / f"{name}.tif", array)


def make_embryo(source: Path, target: Path) -> None:
    """Embryo nuclei in 3D, with voxel size."""
    for split, stage in EMBRYO_STAGES.items():
        for kind in ("image", "label"):
            array = tifffile.imread(source / split / f"{kind}.ome.tif")
            path = target / split / kind / f"{stage}.ome.tif"
            write_tiff(path, array, metadata=ome_metadata(f"{split}/{kind}/{stage}"))


def ome_metadata(name: str) -> dict[str, Any]:
    """OME metadata of a ZYX stack, with an identifier that depends on ``name`` only."""
    keys = ("PhysicalSizeZ", "PhysicalSizeY", "PhysicalSizeX")
    identifier = uuid.uuid5(uuid.NAMESPACE_URL, f"napari-segtrain/embryo/{name}")
    return {
        "axes": "ZYX",
        "UUID": f"urn:uuid:{identifier}",
        **dict(zip(keys, EMBRYO_VOXEL_SIZE, strict=True)),
        **{f"{key}Unit": "µm" for key in keys},
    }


def write_tiff(
    path: Path, array: NDArray[Any], *, metadata: dict[str, Any] | None = None
) -> None:
    """Write ``array`` deflated; with ``metadata`` as OME-TIFF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(
        path,
        array,
        compression="zlib",
        compressionargs={"level": 9},
        predictor=array.dtype == np.uint8 and "image" in path.parts,
        photometric="minisblack",
        rowsperstrip=array.shape[-2],
        metadata=metadata,
    )


def paint_strokes(
    labels: NDArray[np.integer], *, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Paint labels as a person would: thin curves that stay inside one class.

    Parameters
    ----------
    labels : (Y, X) integer array
        Dense labels, classes 0, 1, ...
    rng : numpy.random.Generator
        Source of positions, directions, lengths and brushes.

    Returns
    -------
    (Y, X) uint8 array
        0 where nothing was painted, otherwise class + 1; about ``STROKE_SHARE`` of
        the pixels are painted.
    """
    classes = np.unique(labels)
    distances = [ndimage.distance_transform_edt(labels == c) for c in classes]
    strokes = np.zeros(labels.shape, np.uint8)
    for class_index in cycle(range(len(classes))):
        distance = distances[class_index]
        curve = draw_curve(distance, rng=rng)
        if len(curve) >= MIN_STEPS:
            painted = stamp(curve, labels.shape, diameter=int(rng.choice(BRUSH_SIZES)))
            strokes[painted & (distance > 0)] = class_index + 1
        if np.count_nonzero(strokes) >= STROKE_SHARE * strokes.size:
            return strokes
    return strokes


def draw_curve(
    distance: NDArray[np.floating], *, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Pixels of a smooth curve that keeps away from the border of a class.

    Parameters
    ----------
    distance : (Y, X) float array
        Pixels to the nearest pixel of another class.
    rng : numpy.random.Generator
        Source of the start, the first direction, the length and the tremor.
    """
    starts = np.argwhere(distance > START_MARGIN)
    position = starts[rng.integers(len(starts))].astype(float)
    heading = rng.uniform(0, 2 * np.pi)
    curve: list[tuple[int, int]] = []
    for _ in range(rng.integers(*STROKE_STEPS)):
        angles = heading + TURNS
        ahead = position + np.stack([np.sin(angles), np.cos(angles)], axis=1)
        room = sample(distance, ahead)
        if room.max() < 1:
            break
        preference = (
            np.minimum(room, 4) - np.abs(TURNS) + rng.normal(0, 0.3, len(TURNS))
        )
        best = int(np.argmax(np.where(room >= 1, preference, -np.inf)))
        heading, position = angles[best], ahead[best]
        y, x = np.rint(position).astype(int)
        curve.append((int(y), int(x)))
    return curve


def sample(
    distance: NDArray[np.floating], points: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Values of ``distance`` at the pixels nearest to ``points`` (N, 2); 0 outside."""
    nearest = np.rint(points).astype(int)
    inside = ((nearest >= 0) & (nearest < distance.shape)).all(axis=1)
    y, x = np.where(inside[:, None], nearest, 0).T
    return np.where(inside, distance[y, x], 0.0)


def stamp(
    curve: list[tuple[int, int]], shape: tuple[int, ...], *, diameter: int
) -> NDArray[np.bool_]:
    """Mask (Y, X) of a round brush of ``diameter`` pixels led along ``curve``."""
    mask = np.zeros(shape, bool)
    reach = np.arange(-(diameter // 2), diameter // 2 + 1)
    dy, dx = np.meshgrid(reach, reach, indexing="ij")
    disc = dy**2 + dx**2 <= (diameter / 2) ** 2
    for y, x in curve:
        rows = np.clip(y + dy[disc], 0, shape[0] - 1)
        columns = np.clip(x + dx[disc], 0, shape[1] - 1)
        mask[rows, columns] = True
    return mask


if __name__ == "__main__":
    main()
