"""Prediction of one image into files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import typer

from napari_segtrain.boxes import Box, box_shape
from napari_segtrain.cli.batch_run import Outcome
from napari_segtrain.cli.interruption import SignalControl
from napari_segtrain.cli.progress import Bar
from napari_segtrain.config import InferenceConfig
from napari_segtrain.control import Event
from napari_segtrain.image import ClassTable, Image, LabelImage
from napari_segtrain.inference.canvas import predicted_table
from napari_segtrain.inference.events import EngineChosen, TileDone
from napari_segtrain.inference.fit import check_fit, region
from napari_segtrain.inference.likeness import remarks
from napari_segtrain.inference.predictor import Prediction, iter_prediction
from napari_segtrain.inference.volume.request import Request
from napari_segtrain.io import (
    check_picture_values,
    read_labels,
    read_stack,
    stack_axis,
    write_label_pictures,
    write_labels,
    write_probabilities,
)
from napari_segtrain.models import Model
from napari_segtrain.workflows.contents import count_labels
from napari_segtrain.workflows.overlays import (
    ShownSlice,
    choose_slices,
    write_prediction_overlays,
)
from napari_segtrain.workflows.records import (
    Record,
    Requests,
    begin_output,
    complete_output,
    files_to_keep,
    read_record,
)
from napari_segtrain.workflows.running import run

Slices = tuple[int, int] | None


@dataclass(frozen=True)
class FileOptions:
    """What all files of a batch have in common.

    Parameters
    ----------
    models : sequence of Model
        What is applied.
    config : InferenceConfig
        Tiles, device, maps.
    requests : Requests
        By which outputs are known again.
    slices : (int, int), optional
        Along Z.
    is_png : bool
        Labels as pictures instead of OME-TIFF.
    overlays : bool
        Also write pictures for people.
    overwrite : bool
        Replace what was made otherwise.
    """

    models: Sequence[Model]
    config: InferenceConfig
    requests: Requests
    slices: Slices
    is_png: bool
    overlays: bool
    overwrite: bool

    @property
    def classes(self) -> ClassTable:
        """Of the results."""
        return predicted_table(self.models[0].spec.classes)


@dataclass(frozen=True)
class FileJob:
    """An image that is predicted into files.

    Parameters
    ----------
    image : Image
        What is predicted.
    folder : Path
        Of the labels.
    options : FileOptions
        For all images.
    """

    image: Image
    folder: Path
    options: FileOptions

    @property
    def name(self) -> str:
        """Of the image."""
        return self.image.name

    @cached_property
    def output(self) -> Path:
        """File, or folder of slices; with the stem of the image."""
        if self.options.is_png:
            name = self.name if self._stack_axis else f"{self.name}.png"
            return self.folder / name
        source = self.image.source
        if source and source.is_file() and source.suffix.lower() in {".tif", ".tiff"}:
            return self.folder / source.name
        return self.folder / f"{self.name}.tif"

    @property
    def results(self) -> list[Path]:
        """Labels and maps."""
        return [self.output, *self._maps.values()]

    @cached_property
    def shown(self) -> list[ShownSlice]:
        """Overlays to write."""
        if not self.options.overlays:
            return []
        return choose_slices(self.folder / "overlays", self.name, self.image, self._box)

    @property
    def files(self) -> list[Path]:
        """All that is written."""
        return [*self.results, *(each.path for each in self.shown)]

    @property
    def n_voxels(self) -> int:
        """That are predicted."""
        return len(self.image.items()) * math.prod(box_shape(self._box))

    def check_input(self) -> None:
        """Raise the error that the prediction would end with, where it is known now."""
        for model in self.options.models:
            check_fit(model, self.image)
        region(self.image, self.options.slices)
        classes = self.options.classes
        if self.options.is_png:
            values = () if classes.is_objects else classes.values
            check_picture_values(values, f"the model, for {self.name},")

    def is_done(self) -> bool:
        """Whether labels and maps are there.

        Raises
        ------
        OutputError
            When something else is.
        """
        return set(self.results) <= self._kept()

    def run(self, control: SignalControl, n_voxels: int) -> Outcome:
        """Predict, write and note what was written; or skip what was done before."""
        kept = self._kept()
        if set(self.results) <= kept:
            return self._skip(kept)
        prediction = self._predict(control, n_voxels)
        if not prediction.is_complete:
            typer.echo(f"stopped before {self.name} was done")
            return Outcome(self.name, self.output, "stopped")
        self._kept()  # another process may have made something else meanwhile
        begin_output(self.output, self._request)
        self._write(prediction)
        self._draw(prediction.labels)
        contents = count_labels(prediction.labels, self.options.classes)
        self._note(Record(self._request, {}, prediction.seconds, contents))
        typer.echo(f"{self.name} -> {self.output} ({prediction.seconds:.1f} s)")
        return Outcome(self.name, self.output, "done", prediction.seconds, contents)

    def _skip(self, kept: set[Path]) -> Outcome:
        record = read_record(self.output) or Record(self._request)
        text = "done before"
        if not set(self.files) <= kept:
            self._draw(self._read_labels())
            self._note(record)
            text += ", overlays drawn"
        typer.echo(f"{self.name} -> {self.output} ({text})")
        return Outcome(
            self.name, self.output, "skipped", record.seconds, record.contents
        )

    @cached_property
    def _request(self) -> Request:
        return self.options.requests.of_file(self.image, self.options.slices)

    @property
    def _box(self) -> Box:
        return region(self.image, self.options.slices)

    @cached_property
    def _stack_axis(self) -> str:
        return stack_axis(self.image, box_shape(self._box)[0])

    @property
    def _maps(self) -> dict[str, Path]:
        """Maps by the name of their folder; always OME-TIFF."""
        config = self.options.config
        name = f"{self.name}.tif" if self.options.is_png else self.output.name
        maps = {"probabilities": config.probabilities, config.uncertainty: "float32"}
        return {
            folder: self.folder / folder / name
            for folder, kind in maps.items()
            if "none" not in (folder, kind)
        }

    def _kept(self) -> set[Path]:
        overwrite = self.options.overwrite
        there = any(path.exists() for path in self.files)
        if not there:
            return set()
        return files_to_keep(
            self.output, self.files, self._request, overwrite=overwrite
        )

    def _predict(self, control: SignalControl, n_voxels: int) -> Prediction:
        options = self.options
        specs = [model.spec for model in options.models]
        for text in remarks(specs, self.image, options.config):
            typer.echo(f"warning: {text}")
        with Bar(self.name) as bar:

            def show(event: Event) -> None:
                if isinstance(event, EngineChosen) and event.reason:
                    typer.echo(f"engine: {event.words}")
                elif isinstance(event, TileDone):
                    speed = f"{event.voxels_per_second / 1e6:.2f} Mvoxel/s"
                    bar.update(event.n_done / event.n_total, speed)

            work = iter_prediction(
                options.models,
                self.image,
                options.config,
                slices=options.slices,
                control=control,
                n_voxels=n_voxels,
            )
            return run(work, show)

    def _write(self, prediction: Prediction) -> None:
        if self.options.is_png:
            first = prediction.first_slice if self._stack_axis == "Z" else 0
            write_label_pictures(self.output, prediction.labels, first=first)
        else:
            write_labels(self.output, prediction.labels)
        made = {
            "probabilities": prediction.probabilities,
            self.options.config.uncertainty: prediction.uncertainty,
        }
        for name, path in self._maps.items():
            values = made[name]
            if values is not None:
                write_probabilities(
                    path,
                    values.array,
                    axes=values.axes,
                    voxel_size=values.voxel_size,
                    class_names=values.channel_names,
                )

    def _draw(self, labels: LabelImage) -> None:
        write_prediction_overlays(
            self.shown,
            self.image,
            labels,
            self.options.classes,
            first_slice=self._box[0].start,
        )

    def _read_labels(self) -> LabelImage:
        if self.options.is_png and self._stack_axis:
            axes = f"{self._stack_axis}YX"
            return read_stack(self.output, axes=axes, labels=True)
        return read_labels(self.output)

    def _note(self, found: Record) -> None:
        complete_output(self.output, self.files, self._request, found=found)
