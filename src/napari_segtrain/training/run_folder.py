"""The folder of a run: what was planned, what happened, and the model."""

from __future__ import annotations

import json
import platform
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from napari_segtrain.config import (
    ExperimentConfig,
    annotated_yaml,
    load_yaml,
    parse_experiment,
)
from napari_segtrain.errors import DataError, ModelError, OutputError
from napari_segtrain.io.atomic import (
    atomic_path,
    remove_folder,
    write_bytes,
    write_json,
    write_text,
)
from napari_segtrain.models import (
    THUMBNAIL_NAME,
    Model,
    ModelSpec,
    join_models,
    load_bundle,
    save_model,
)
from napari_segtrain.training.checkpoint import (
    Checkpoint,
    Progress,
    load_checkpoint,
    load_progress,
    save_checkpoint,
)
from napari_segtrain.training.plan import TrainingPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import torch

    from napari_segtrain.training.events import EpochEnd, Noticed

PLAN_FORMAT_VERSION = 1
LATEST, BEST = "latest", "best"
_BASE_NAME = "base.json"
_FOLDS = "folds"
_UNFINISHED = "unfinished"
_PACKAGES = ("napari-segtrain", "torch", "monai", "numpy", "tifffile", "zarr")


class RunFolder:
    """A run on disk.

    Parameters
    ----------
    path : Path
        The folder; see `create` and `open`.
    """

    is_written = True
    """Whether this process writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """Make an empty run folder.

        Raises
        ------
        OutputError
            When the path exists and is not an empty folder: runs are not overwritten.
        """
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise OutputError(
                f"{path} exists already and a run is never overwritten; choose another "
                "--output (or 'segtrain resume' to go on with it)."
            )
        try:
            (path / "checkpoints").mkdir(parents=True)
        except OSError as error:
            raise OutputError(
                f"The folder {path} cannot be made ({error.strerror or error}); choose "
                "another place, or check who may write there."
            ) from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open a run folder.

        Raises
        ------
        DataError
            When it is none.
        """
        if not (path / "plan.json").is_file():
            raise DataError(f"{path} is no run folder: it holds no plan.json.")
        return cls(path)

    @property
    def model_path(self) -> Path:
        """Where the model is written at the end."""
        return self.path / "model"

    @property
    def has_model(self) -> bool:
        """Whether the run came to its end."""
        return (self.model_path / "model.yaml").is_file()

    @property
    def snapshot_path(self) -> Path:
        """Where the labels that the run uses are kept."""
        return self.path / "snapshot"

    @property
    def base_path(self) -> Path:
        """Where a cross-validation keeps the model that its folds begin with."""
        return self.path / "base"

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Let a cross-validation whose end fails or is killed count as not over."""
        mark = self.path / _UNFINISHED
        write_text(mark, "The model is not complete yet; resume the run.\n")
        yield
        mark.unlink()

    @property
    def is_unfinished(self) -> bool:
        """Whether the end of a cross-validation failed or was killed."""
        return (self.path / _UNFINISHED).is_file()

    def fold(self, number: int) -> RunFolder:
        """Folder of a training of a cross-validation, counted from 1."""
        return RunFolder(self.path / _FOLDS / str(number))

    def finished_folds(self) -> dict[int, RunFolder]:
        """Trainings of a cross-validation that have come to their end, by number."""
        names = [path.name for path in (self.path / _FOLDS).glob("*")]
        numbers = sorted(int(name) for name in names if name.isdecimal())
        folds = {number: self.fold(number) for number in numbers}
        return {n: fold for n, fold in folds.items() if fold.has_model}

    def write_start(self, config: ExperimentConfig, plan: TrainingPlan) -> None:
        """Write config, plan and environment."""
        write_text(self.path / "config.yaml", annotated_yaml(config))
        values = TypeAdapter(TrainingPlan).dump_python(plan, mode="json")
        values = {"format_version": PLAN_FORMAT_VERSION, **values}
        write_json(self.path / "plan.json", values)
        write_json(self.path / "environment.json", describe_environment())

    def read_plan(self) -> TrainingPlan:
        """Read the plan back.

        Raises
        ------
        DataError
            When it is damaged or of a newer format.
        """
        path = self.path / "plan.json"
        try:
            values: dict[str, Any] = json.loads(path.read_text("utf-8"))
            found = values.pop("format_version")
            if found > PLAN_FORMAT_VERSION:
                raise DataError(
                    f"The run {self.path} has format version {found}; update "
                    "napari-segtrain."
                )
            _complete_old(values)
            return TypeAdapter(TrainingPlan).validate_python(values)
        except (OSError, ValueError, KeyError, ValidationError) as error:
            raise DataError(f"The plan {path} is damaged: {error}") from error

    def read_config(self) -> ExperimentConfig:
        """Read the config back."""
        path = self.path / "config.yaml"
        text = path.read_text("utf-8")
        return parse_experiment(load_yaml(text, source=str(path)), source=str(path))

    def write_base_score(self, score: float) -> None:
        """Keep the score of the model that the run goes on from."""
        write_json(self.path / _BASE_NAME, {"IoU": score})

    def read_base_score(self) -> float | None:
        """Score of the model that the run goes on from, where it has one."""
        path = self.path / _BASE_NAME
        if not path.is_file():
            return None
        return float(json.loads(path.read_text("utf-8"))["IoU"])

    def write_thumbnail(self, picture: bytes) -> None:
        """Write the picture (PNG) by which a person knows the run again."""
        write_bytes(self.path / THUMBNAIL_NAME, picture)

    def checkpoint_path(self, name: str) -> Path:
        """File of the checkpoint ``best``, ``latest`` or ``epoch-0010``."""
        return self.path / "checkpoints" / f"{name}.safetensors"

    def save(self, name: str, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint."""
        path = self.checkpoint_path(name)
        save_checkpoint(path, checkpoint)
        return path

    def load(self, name: str) -> Checkpoint:
        """Read a checkpoint.

        Raises
        ------
        ModelError
            When there is none of that name.
        """
        path = self.checkpoint_path(name)
        if not path.is_file():
            found = sorted(p.stem for p in path.parent.glob("*.safetensors"))
            raise ModelError(
                f"The run {self.path} has no checkpoint '{name}'; it has "
                f"{', '.join(found) or 'none'}."
            )
        return load_checkpoint(path)

    def write_model(
        self,
        spec: ModelSpec,
        weights: Mapping[str, torch.Tensor],
        thumbnail: bytes | None,
    ) -> None:
        """Write the model, in the place of one that the run came to before."""
        with atomic_path(self.model_path) as folder:
            save_model(folder, spec, weights, thumbnail=thumbnail)

    def append_metrics(self, event: EpochEnd) -> None:
        """Add a line to ``metrics.jsonl``."""
        line = json.dumps(asdict(event))
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def append_notice(self, event: Noticed) -> None:
        """Add a line to ``notices.jsonl``."""
        values = {"iteration": event.iteration, "kind": event.kind}
        line = json.dumps(values | asdict(event.finding))
        with (self.path / "notices.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def read_metrics(self) -> list[dict[str, Any]]:
        """Lines of ``metrics.jsonl``; one that was cut short by a crash is left out."""
        return self._read_lines("metrics.jsonl")

    def read_notices(self) -> list[dict[str, Any]]:
        """Lines of ``notices.jsonl``."""
        return self._read_lines("notices.jsonl")

    def _read_lines(self, name: str) -> list[dict[str, Any]]:
        path = self.path / name
        rows = []
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
        return rows

    def read_progress(self) -> Progress | None:
        """Where the run was at its latest checkpoint; ``None`` when that is gone."""
        path = self.checkpoint_path(LATEST)
        return load_progress(path) if path.is_file() else None

    def rewind(self, name: str) -> Checkpoint:
        """Go back to a checkpoint: drop what was written about later iterations.

        The model goes too, unless the checkpoint is the end of the run. Best weights
        of a later epoch give way to those that were the best then, if they are still
        there as a checkpoint of their epoch.

        Raises
        ------
        ModelError
            When there is no checkpoint of that name.
        """
        checkpoint = self.load(name)
        progress = checkpoint.progress
        if not progress.is_complete:
            remove_folder(self.model_path)
        self._forget_after(progress.iteration)
        best = self.checkpoint_path(BEST)
        if not best.exists() or self.load(BEST).progress.epoch <= progress.epoch:
            return checkpoint
        best.unlink()
        former = epoch_name(progress.best_epoch)
        if self.checkpoint_path(former).is_file():
            self.save(BEST, self.load(former))
            return checkpoint
        progress = replace(progress, best_score=None, best_epoch=0, best_loss=None)
        return replace(checkpoint, progress=progress)

    def _forget_after(self, iteration: int) -> None:
        for name in ("metrics.jsonl", "notices.jsonl"):
            rows = self._read_lines(name)
            kept = [row for row in rows if row["iteration"] <= iteration]
            text = "".join(json.dumps(row) + "\n" for row in kept)
            if (self.path / name).exists():
                write_text(self.path / name, text)


class WatchedFolder(RunFolder):
    """A run on disk that another process writes; here, nothing is written."""

    is_written = False

    def save(self, name: str, checkpoint: Checkpoint) -> Path:  # noqa: ARG002
        """Return where the checkpoint is written by the other process."""
        return self.checkpoint_path(name)

    def write_thumbnail(self, picture: bytes) -> None:
        """Leave the picture to the other process."""

    def write_model(
        self,
        spec: ModelSpec,
        weights: Mapping[str, torch.Tensor],
        thumbnail: bytes | None,
    ) -> None:
        """Leave the model to the other process."""

    def write_base_score(self, score: float) -> None:
        """Leave the score to the other process."""

    def append_metrics(self, event: EpochEnd) -> None:
        """Leave the metrics to the other process."""

    def append_notice(self, event: Noticed) -> None:
        """Leave the notices to the other process."""


def epoch_name(epoch: int) -> str:
    """Name of the checkpoint that is kept of an epoch."""
    return f"epoch-{epoch:04d}"


def load_model(path: Path) -> Model:
    """Load a model folder or zip, a run folder, or a checkpoint.

    Of a run that did not come to its end, the best checkpoint is taken, or else the
    latest; of a cross-validation, the trainings that came to their end.

    Raises
    ------
    ModelError
        When there is no model, or it is damaged, hostile or of a newer format.
    """
    if not path.exists():
        raise ModelError(f"There is no model at {path}.")
    if path.suffix == ".safetensors":
        return load_checkpoint(path).model
    if not (path / "plan.json").is_file():
        return load_bundle(path)
    run = RunFolder(path)
    if run.has_model:
        return load_bundle(run.model_path)
    folds = run.finished_folds().values()
    if folds:
        return join_models([load_bundle(fold.model_path) for fold in folds])
    for part in (run, run.fold(1)):
        for name in (BEST, LATEST):
            if part.checkpoint_path(name).is_file():
                return part.load(name).model
    raise ModelError(f"The run {path} holds no model yet: it ended before it began.")


def describe_environment() -> dict[str, Any]:
    """Versions and machine, for the record."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "packages": package_versions(_PACKAGES),
    }


def package_versions(names: Sequence[str]) -> dict[str, str]:
    """Installed versions of packages."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _complete_old(plan: dict[str, Any]) -> None:
    """Add what a plan meant that had no solver or decay, or no preset in its config."""
    config = plan["config"]
    training = config.get("training", {})
    plan.setdefault("solver", training.get("solver", {"kind": "adamw"}))
    plan.setdefault("weight_decay", training.get("weight_decay", 1e-4))
    config.setdefault("augmentation", {}).setdefault("preset", "light")
