"""What a prediction does in its thread, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from napari_segtrain.errors import PredictionError, SegtrainError
from napari_segtrain.inference.events import EngineChosen
from napari_segtrain.ui.predict.model_cache import ModelCache
from napari_segtrain.ui.predict.prediction_events import (
    FormerWanted,
    Job,
    LayerBegun,
    LayerEnded,
    Order,
    Outcome,
    Progress,
    named_error,
)
from napari_segtrain.ui.predict.result_canvas import (
    FormerArrays,
    ResultCanvas,
    bytes_per_voxel,
    fingerprint_of,
    labels_dtype,
)
from napari_segtrain.ui.predict.scope import Frame, frame_of
from napari_segtrain.ui.predict.store_work import iter_stores

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.image import ClassTable
    from napari_segtrain.inference.regions import Region
    from napari_segtrain.models import Decision, Model
    from napari_segtrain.ui.layers.results import Former

_MEMORY_SHARE = 0.8
_GB = 1e9


_cache = ModelCache()


def load_models(paths: Sequence[Path]) -> tuple[list[Model], str]:
    """Return models, and the state of their files; those used last are in memory."""
    return _cache.load(paths)


def iter_jobs(
    jobs: Sequence[Job], order: Order, control: RunControl
) -> Generator[Event, None, Outcome]:
    """Predict images one after another; to be run in a thread.

    Yields
    ------
    EngineChosen, LayerBegun, Progress, LayerEnded
        Of one job after the other; a job without a single block has none but the engine
        and progress. Of stores the events of `iter_stores`.

    Returns
    -------
    Outcome

    Raises
    ------
    SegtrainError
        Naming the image when there are several.
    """
    models, state = load_models(order.models)
    if order.store is not None:
        return (yield from iter_stores(jobs, models, order, order.store, control))
    total = sum(job.scope.n_voxels(job.image) for job in jobs)
    n_complete, n_done, seconds = 0, 0, 0.0
    for number, job in enumerate(jobs):
        n_here = job.scope.n_voxels(job.image)
        work = _LayerWork(number, job, order, models, state, n_voxels=total)
        events = work.run(control)
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                n_complete += bool(end.value)
                break
            except SegtrainError as error:
                raise named_error(error, job, len(jobs)) from error
            if isinstance(event, Progress):
                n_voxels = n_done + event.share * n_here
                passed = seconds + event.seconds
                speed = n_voxels / max(passed, 1e-9)
                event = Progress(number, n_voxels / total, passed, speed)
            yield event
        n_done += n_here
        seconds += work.seconds
        if control.is_stopping:
            break
    return Outcome(n_complete, seconds)


class _LayerWork:
    """State of one job."""

    def __init__(
        self,
        number: int,
        job: Job,
        order: Order,
        models: Sequence[Model],
        state: str,
        *,
        n_voxels: int,
    ) -> None:
        from napari_segtrain.inference.fit import chosen_recipe

        self._number = number
        self._job = job
        self._order = order
        self._models = tuple(models)
        self._model = models[0]
        self._state = state
        self._n_voxels = n_voxels
        self._recipe = chosen_recipe(self._model, order.config, job.image)
        self._canvas: ResultCanvas | None = None
        self.seconds = 0.0

    def run(self, control: RunControl) -> Generator[Event, None, bool]:
        """Predict; what was painted is ended in order, whatever happens."""
        try:
            is_complete = yield from self._predict(control)
        except Exception:
            if self._canvas is not None:
                yield self._end(self._canvas, is_complete=False)
            raise
        if self._canvas is not None:
            yield self._end(self._canvas, is_complete=is_complete)
        return is_complete

    def _predict(self, control: RunControl) -> Generator[Event, None, bool]:
        from napari_segtrain.inference.regions import RegionBlock, iter_regions

        job = self._job
        events = iter_regions(
            self._models,
            job.image,
            self._regions(),
            self._order.config,
            control=control,
            n_voxels=self._n_voxels,
            has_preview=True,
        )
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                return bool(end.value)
            if isinstance(event, RegionBlock):
                if self._canvas is None:
                    is_locked = yield from self._lock_former(control)
                    self._canvas = self._begin(is_locked=is_locked)
                    yield LayerBegun(self._number, self._canvas)
                self._canvas.paint(event)
            elif isinstance(event, EngineChosen):
                yield event
            else:
                self.seconds = event.seconds
                yield Progress(self._number, event.share, event.seconds)

    def _regions(self) -> list[Region]:
        from napari_segtrain.inference.regions import Region

        job = self._job
        boxes = job.scope.boxes(job.image, self._model.info.dims)
        items, view = job.scope.items(job.image), job.scope.view(job.image)
        return [Region(index, box, view) for index in items for box in boxes]

    def _lock_former(self, control: RunControl) -> Generator[Event, None, bool]:
        """Ask that nobody edits the former result, before it is looked at."""
        if self._job.former is None:
            return False
        wanted = FormerWanted(self._number)
        yield wanted
        return wanted.wait(control)

    def _decision(self) -> Decision | None:
        """How classes are chosen; that of one model is not that of a mean."""
        from napari_segtrain.inference.decision import chosen_decision

        if len(self._models) > 1:
            return None
        return chosen_decision(self._model, self._order.config, self._job.image)

    def _begin(self, *, is_locked: bool) -> ResultCanvas:
        job, spec = self._job, self._model.spec
        classes = spec.classes
        config = self._order.config
        n_bytes = bytes_per_voxel(classes, spec.output_names, config)
        frame = frame_of(job.image, job.axes, job.scope, n_bytes)
        former = self._usable(frame, classes) if is_locked else None
        self._check_memory(frame, n_bytes, former)
        canvas = ResultCanvas(
            frame,
            classes,
            config,
            objects=self._recipe,
            former=None if former is None else _arrays_of(former, config),
            decision=self._decision(),
            mask=job.scope.mask,
        )
        if former is not None and former.model != self._state:
            canvas.clear()
        canvas.begin(job.scope.items(job.image), job.scope.box(job.image))
        return canvas

    def _usable(self, frame: Frame, classes: ClassTable) -> Former | None:
        """Return the former result, if it fits and nobody has edited it."""
        former = self._job.former
        if former is None or former.values != classes.values:
            return None
        same = (
            former.labels.shape == frame.shape
            and former.labels.dtype == labels_dtype(classes)
            and former.frame == {"axes": frame.axes, "origin": dict(frame.origin)}
        )
        if not same or fingerprint_of(former.labels) != former.fingerprint:
            return None
        return former

    def _check_memory(self, frame: Frame, n_bytes: int, former: Former | None) -> None:
        if former is not None:
            return
        needed = frame.n_voxels * n_bytes / _GB
        free = psutil.virtual_memory().available * _MEMORY_SHARE / _GB
        set_limit = self._order.config.memory_limit
        limit = free if set_limit == "auto" else min(free, set_limit)
        if needed > limit:
            raise PredictionError(
                f"The result for '{self._job.image.name}' needs {needed:.1f} GB of "
                f"memory, but {limit:.1f} GB can be used; predict a range of slices, "
                "leave out the probability map and that of uncertainty, or raise the "
                "memory limit in the preferences."
            )

    def _end(self, canvas: ResultCanvas, *, is_complete: bool) -> LayerEnded:
        job = self._job
        where = job.scope.items(job.image), job.scope.box(job.image)
        if is_complete:
            canvas.clean(*where)
        canvas.finish(*where)
        return LayerEnded(self._number, is_complete, canvas.fingerprint(), self._state)


def _arrays_of(former: Former, config: InferenceConfig) -> FormerArrays:
    is_same = former.uncertainty_name == config.uncertainty
    uncertainty = former.uncertainty if is_same else None
    return FormerArrays(former.labels, former.maps, uncertainty)
