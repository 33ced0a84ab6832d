"""Real data that come with the package, with licence and credit beside them.

A sample is a folder with ``train`` and ``test``; each holds ``image`` and ``label``
with one file per image and the same file names. ``LICENSE.txt`` and ``CREDIT.md`` say
who made it and what was cropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from napari_segtrain.errors import DataError


@dataclass(frozen=True)
class SampleInfo:
    """What a bundled sample is.

    Attributes
    ----------
    name : str
        Name for `sample_dir`, also the folder's name.
    title : str
        Title of a few words.
    description : str
        What the images show and what the labels mean.
    dims : 2 or 3
        Spatial dimensions of an image.
    target : {'semantic', 'instances'}
        Whether a label is a class or the id of an object.
    classes : tuple of str
        Names of the classes in the order of their values, background first.
    has_strokes : bool
        Whether ``train/strokes`` holds sparse labels of the training images:
        0 unlabelled, 1 background, class ``i`` as ``i + 1``.
    """

    name: str
    title: str
    description: str
    dims: Literal[2, 3]
    target: Literal["semantic", "instances"]
    classes: tuple[str, ...]
    has_strokes: bool = False

    @property
    def n_classes(self) -> int:
        """Number of classes, background included."""
        return len(self.classes)


SAMPLES: tuple[SampleInfo, ...] = (
    SampleInfo(
        name="axons",
        title="Axons in SEM",
        description="Rat spinal cord, scanning electron microscopy: myelin and axons "
        "of three animals, with dense labels and with strokes.",
        dims=2,
        target="semantic",
        classes=("background", "myelin", "axon"),
        has_strokes=True,
    ),
    SampleInfo(
        name="nuclei",
        title="Fluorescence nuclei",
        description="Cell nuclei of several kinds, fluorescence microscopy: "
        "eleven images with an id per nucleus.",
        dims=2,
        target="instances",
        classes=("background", "nucleus"),
    ),
    SampleInfo(
        name="embryo",
        title="Embryo nuclei in 3D",
        description="Mouse embryos with 8 and 16 cells, confocal stacks with voxels "
        "of 1.75 × 0.8 × 0.8 µm (ZYX): nuclei against background.",
        dims=3,
        target="semantic",
        classes=("background", "nucleus"),
    ),
)
"""Every bundled sample."""


def sample_dir(name: str) -> Path:
    """Folder of a bundled sample.

    Parameters
    ----------
    name : str
        Name of a sample in `SAMPLES`.

    Raises
    ------
    DataError
        If there is no sample of that name.
    """
    names = [sample.name for sample in SAMPLES]
    if name not in names:
        known = ", ".join(names)
        raise DataError(f"There is no sample {name!r}; choose one of: {known}.")
    return Path(str(files(__name__) / name))
