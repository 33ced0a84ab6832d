"""The stores of a prediction: results, and what lies between two stages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.image import IGNORE_INDEX
from napari_segtrain.inference.canvas import predicted_table
from napari_segtrain.io.pyramids import (
    Content,
    Layout,
    PyramidWriter,
    create_pyramid,
)

if TYPE_CHECKING:
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.image import Image
    from napari_segtrain.inference.protocol import TrainedSpec
    from napari_segtrain.inference.volume.plan import VolumePlan

LABELS = "labels"
EVIDENCE = "evidence"
INDICES = "indices"
MAPS = ("probabilities", "uncertainty")


@dataclass(frozen=True)
class StorePlan:
    """A store that blocks are written to.

    Parameters
    ----------
    path : Path
        Of the store.
    layout : Layout
        Its shape and blocks.
    content : Content
        What its voxels mean.
    """

    path: Path
    layout: Layout
    content: Content

    def create(self) -> None:
        """Make it, if it is not there; another process may do the same meanwhile."""
        if not (self.path / "zarr.json").is_file():
            create_pyramid(self.path, self.layout, self.content)

    def open(self) -> PyramidWriter:
        """Open it for writing."""
        return PyramidWriter(self.path, self.layout, self.content.kind)


def map_path(store: Path, name: str) -> Path:
    """Store of maps that belong to a store of labels: of that name, in a folder."""
    return store.parent / name / store.name


class Stores:
    """All stores of a run.

    Parameters
    ----------
    store : Path
        Of the labels.
    work : Path
        Folder of what lies between two stages.
    plan : VolumePlan
        Blocks and stages.
    image : Image
        What is predicted, at the resolution of the prediction.
    spec : TrainedSpec
        Classes.
    origin : tuple of float
        Place of the first voxel.
    """

    def __init__(
        self,
        store: Path,
        work: Path,
        plan: VolumePlan,
        image: Image,
        spec: TrainedSpec,
        origin: tuple[float, ...],
    ) -> None:
        self._path = store
        self._work = work
        self._plan = plan
        self._spec = spec
        self._base = Content(
            "maps", "uint8", image.name, image.voxel_size, origin=origin
        )

    def first_stage(self) -> dict[str, StorePlan]:
        """Stores of what the network gives, by the names of `Canvas.painted`."""
        plan, config = self._plan, self._plan.config
        found = {self._first_name(): self._first()}
        if config.probabilities != "none":
            content = replace(
                self._base,
                dtype=config.probabilities,
                channel_names=self._spec.output_names,
            )
            path = map_path(self._path, "probabilities")
            layout = _with_channels(plan.layout, len(self._spec.output_names))
            found["probabilities"] = StorePlan(path, layout, content)
        if config.uncertainty != "none":
            found["uncertainty"] = self._uncertainty(config)
        return found

    def labels(self, n_ids: int = 0) -> StorePlan:
        """Store of the labels; wide enough for so many ids of objects."""
        classes = predicted_table(self._spec.classes)
        if classes.is_objects:
            dtype = str(np.min_scalar_type(max(n_ids, np.iinfo(np.uint16).max + 1)))
        else:
            dtype = str(classes.to_values(np.zeros(1, np.uint8)).dtype)
        content = replace(self._base, kind="labels", dtype=dtype, classes=classes)
        return StorePlan(self._path, self._plan.layout, content)

    def between(self) -> StorePlan:
        """Store of what the first stage leaves to the second."""
        return self._first()

    @property
    def kept(self) -> list[StorePlan]:
        """Stores of the result: labels, then maps."""
        first = self.first_stage()
        maps = [plan for name, plan in first.items() if name != self._first_name()]
        return [self.labels(), *maps]

    @property
    def results(self) -> list[Path]:
        """Paths of all stores that are kept."""
        return [plan.path for plan in self.kept]

    def _first_name(self) -> str:
        if len(self._plan.stages) == 1:
            return LABELS
        return EVIDENCE if self._spec.classes.is_objects else INDICES

    def _first(self) -> StorePlan:
        name = self._first_name()
        if name == LABELS:
            return self.labels()
        layout = replace(self._plan.layout, factors=self._plan.layout.factors[:1])
        if name == EVIDENCE:
            layout = _with_channels(layout, 2)
        content = replace(self._base, fill=0 if name == EVIDENCE else IGNORE_INDEX)
        return StorePlan(self._work / f"{name}.zarr", layout, content)

    def _uncertainty(self, config: InferenceConfig) -> StorePlan:
        is_small = config.probabilities == "uint8"
        content = replace(
            self._base,
            dtype="uint8" if is_small else "float32",
            fill=0.0 if is_small else float("nan"),
        )
        path = map_path(self._path, config.uncertainty)
        return StorePlan(path, self._plan.layout, content)


def _with_channels(layout: Layout, n: int) -> Layout:
    n_items = len(layout.leading)
    axes = f"{layout.axes[:n_items]}C{layout.axes[n_items:]}"
    return replace(layout, axes=axes, leading=(*layout.leading, n))
