"""What a run or model says about itself, read in milliseconds and without torch."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter

from napari_segtrain.config.plain_yaml import load_plain_yaml
from napari_segtrain.data.normalize import Normalization
from napari_segtrain.data.object_recipe import ObjectRecipe, known_recipe
from napari_segtrain.data.seen_intensities import SeenIntensities
from napari_segtrain.image import ClassInfo, ClassTable

if TYPE_CHECKING:
    from collections.abc import Mapping

State = Literal["complete", "can be resumed", "no model yet", "damaged"]

NAME_FILE = "name.txt"
_PLAN, _SPEC, _THUMBNAIL = "plan.json", "model.yaml", "thumbnail.png"
_UNFINISHED = "unfinished"
_MAX_BYTES = 4 << 20
_MAX_PLAN_BYTES = 256 << 20
_LENGTH_BYTES = 8
_TABLE = TypeAdapter(ClassTable)
_RECIPE = TypeAdapter(ObjectRecipe | None)
_RULE = TypeAdapter(Normalization | None)
_SEEN = TypeAdapter(SeenIntensities | None)
_DAMAGE = (ArithmeticError, LookupError, OSError, TypeError, ValueError, AttributeError)
_ZIP_DAMAGE = (*_DAMAGE, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class RunInfo:
    """A run or model of a folder.

    Parameters
    ----------
    path : Path
        Run folder, model folder, zip or checkpoint; what `load_model` takes.
    name : str
        Given by `rename_run`, or that of the folder.
    created : datetime
        When the training began, with its time zone; of what does not say, when the
        file was last changed.
    state : {"complete", "can be resumed", "no model yet", "damaged"}
        Whether it came to its end, has a checkpoint, neither, or cannot be read.
    is_run : bool
        Whether it is a run folder; what is none cannot be resumed.
    score : float, optional
        Validation IoU of the model; ``None`` when nothing was held out.
    classes : tuple of ClassInfo
        Names, values, colors and roles, in the order of the class index.
    objects : ObjectRecipe, optional
        How a model makes objects; absent where it tells classes apart.
    n_members : int
        Networks that a model averages.
    dims : int, optional
        2 or 3.
    n_channels : int, optional
        Of the images.
    channel_names : tuple of str
        May be empty.
    voxel_size : tuple of float, optional
        Of the images that were trained on, µm ZYX.
    level : str
        Level of the multiscale images that were trained on; empty for others.
    images : tuple of str
        Names of the images that were trained on.
    iterations : int, optional
        Steps done.
    seconds : float, optional
        Time used.
    thumbnail : Path, optional
        A PNG.
    problem : str, optional
        What is wrong with it, for a damaged one.
    normalization : Normalization, optional
        Rule for intensities.
    intensities : SeenIntensities, optional
        Of the images that were trained on, normalized; old models do not say.
    epochs : tuple of int
        Epochs of a run from which it can be resumed.
    """

    path: Path
    name: str
    created: datetime
    state: State
    is_run: bool
    score: float | None = None
    classes: tuple[ClassInfo, ...] = ()
    objects: ObjectRecipe | None = None
    n_members: int = 1
    dims: int | None = None
    n_channels: int | None = None
    channel_names: tuple[str, ...] = ()
    voxel_size: tuple[float, ...] | None = None
    level: str = ""
    images: tuple[str, ...] = ()
    iterations: int | None = None
    seconds: float | None = None
    thumbnail: Path | None = None
    problem: str | None = None
    epochs: tuple[int, ...] = ()
    normalization: Normalization | None = None
    intensities: SeenIntensities | None = None

    @property
    def has_model(self) -> bool:
        """Whether it can be used for prediction."""
        return self.state in {"complete", "can be resumed"}


def is_run_folder(path: Path) -> bool:
    """Whether a path is the folder of a run."""
    return (path / _PLAN).is_file()


def is_checkpoint(path: Path) -> bool:
    """Whether a path is a checkpoint of a run, by its name."""
    return path.suffix == ".safetensors" and path.parent.name == "checkpoints"


def is_bundle(path: Path) -> bool:
    """Whether a path is a model folder, or a zip with a model in it."""
    if path.suffix.lower() == ".zip" and path.is_file():
        try:
            with zipfile.ZipFile(path) as archive:
                return _spec_entry(archive) is not None
        except _ZIP_DAMAGE:
            return False
    return (path / _SPEC).is_file()


def read_run_info(path: Path) -> RunInfo:
    """Describe a run folder, a model folder or zip, or a checkpoint.

    Returns
    -------
    RunInfo
        What cannot be read has the state ``damaged`` and a problem; nothing is raised.
    """
    info = RunInfo(path, _name(path), _changed(path), "damaged", is_run_folder(path))
    try:
        return _with_facts(info)
    except _ZIP_DAMAGE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        return replace(info, problem=f"It cannot be read: {reason}.")


def _with_facts(info: RunInfo) -> RunInfo:
    if info.is_run:
        return _of_run(info)
    if info.path.is_dir():
        return _of_spec(_with_thumbnail(info, info.path), _read_spec(info.path / _SPEC))
    if info.path.suffix == ".safetensors":
        return _of_checkpoint(info, info.path)
    return _of_spec(info, _read_zipped_spec(info.path))


def _of_run(info: RunInfo) -> RunInfo:
    info = _with_thumbnail(info, info.path / "model", info.path)
    info = replace(info, epochs=_kept_epochs(info.path))
    is_unfinished = (info.path / _UNFINISHED).is_file()
    if (info.path / "model" / _SPEC).is_file() and not is_unfinished:
        return _of_spec(info, _read_spec(info.path / "model" / _SPEC))
    finished = _finished_folds(info.path)
    if finished:
        return _of_folds(info, finished)
    for name in ("latest", "best"):
        for folder in (info.path, info.path / "folds" / "1"):
            checkpoint = folder / "checkpoints" / f"{name}.safetensors"
            if checkpoint.is_file():
                return _of_checkpoint(info, checkpoint)
    return _of_plan(info)


def _finished_folds(run_dir: Path) -> list[Path]:
    """Folders of the trainings that have come to their end, by number."""
    folds = [p for p in (run_dir / "folds").glob("*") if p.name.isdecimal()]
    folds.sort(key=lambda path: int(path.name))
    return [path for path in folds if (path / "model" / _SPEC).is_file()]


def _of_folds(info: RunInfo, folds: list[Path]) -> RunInfo:
    """Describe a cross-validation of which some trainings have come to their end."""
    parts = [_of_fold(info, path) for path in folds]
    known = [part.score for part in parts if part.score is not None]
    return replace(
        _with_thumbnail(parts[0], folds[0]),
        state="can be resumed",
        score=fmean(known) if known else None,
        iterations=sum(part.iterations or 0 for part in parts),
        seconds=sum(part.seconds or 0.0 for part in parts),
    )


def _of_fold(info: RunInfo, folder: Path) -> RunInfo:
    """Describe a training; its model may be of an earlier epoch than its end."""
    part = _of_spec(info, _read_spec(folder / "model" / _SPEC))
    latest = folder / "checkpoints" / "latest.safetensors"
    if not latest.is_file():
        return part
    end = json.loads(_read_header(latest)["progress"])
    return replace(part, iterations=end["iteration"], seconds=end["seconds"])


def _kept_epochs(run_dir: Path) -> tuple[int, ...]:
    names = (p.stem for p in run_dir.glob("checkpoints/epoch-*.safetensors"))
    numbers = (name.removeprefix("epoch-") for name in names)
    return tuple(sorted(int(number) for number in numbers if number.isdigit()))


def _of_spec(info: RunInfo, values: Mapping[str, Any]) -> RunInfo:
    origin = values.get("provenance") or {}
    table = _TABLE.validate_python(values["classes"])
    recipe = _RECIPE.validate_python(values.get("objects"))
    return replace(
        info,
        state="complete",
        created=_created(origin) or info.created,
        score=_number((values.get("scores") or {}).get("IoU")),
        classes=table.classes,
        objects=known_recipe(table, recipe),
        n_members=int(values.get("n_members") or 1),
        dims=values["dims"],
        n_channels=values["n_channels"],
        channel_names=tuple(values.get("channel_names") or ()),
        voxel_size=tuple(map(float, values.get("voxel_size") or ())) or None,
        level=str(values.get("level") or ""),
        normalization=_RULE.validate_python(values.get("normalization")),
        intensities=_SEEN.validate_python(values.get("intensities")),
        images=tuple(map(str, origin.get("images") or ())),
        iterations=origin.get("iterations"),
        seconds=_number(origin.get("seconds")),
    )


def _created(origin: Mapping[str, Any]) -> datetime | None:
    if "created" not in origin:
        return None
    created = datetime.fromisoformat(origin["created"])
    return created if created.tzinfo else created.replace(tzinfo=UTC)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _of_checkpoint(info: RunInfo, path: Path) -> RunInfo:
    header = _read_header(path)
    progress = json.loads(header["progress"])
    info = _of_spec(info, load_plain_yaml(header["model"]))
    score = progress.get("best_score")
    return replace(
        info,
        state="complete" if progress["is_complete"] else "can be resumed",
        score=info.score if score is None else score,
        iterations=progress["iteration"],
        seconds=progress["seconds"],
    )


def _of_plan(info: RunInfo) -> RunInfo:
    path = info.path / _PLAN
    if path.stat().st_size > _MAX_PLAN_BYTES:
        raise ValueError(f"{path} is too large")
    values = json.loads(path.read_text("utf-8"))
    facts = values["facts"]
    return replace(
        info,
        state="no model yet",
        classes=_TABLE.validate_python(facts["classes"]).classes,
        dims=values["info"]["dims"],
        n_channels=facts["n_channels"],
        channel_names=tuple(facts["channel_names"]),
        images=tuple(facts["names"]),
        iterations=0,
    )


def _name(path: Path) -> str:
    try:
        given = (path / NAME_FILE).read_text("utf-8").strip()
    except (OSError, ValueError):
        given = ""
    if given:
        return given
    if is_checkpoint(path):
        return f"{path.parents[1].name} ({path.stem})"
    return path.stem if path.suffix.lower() == ".zip" else path.resolve().name


def _changed(path: Path) -> datetime:
    for part in (path / _PLAN, path / _SPEC, path):
        if part.exists():
            return datetime.fromtimestamp(part.stat().st_mtime, UTC)
    return datetime.fromtimestamp(0, UTC)


def _with_thumbnail(info: RunInfo, *folders: Path) -> RunInfo:
    found = (folder / _THUMBNAIL for folder in folders)
    thumbnail = next((path for path in found if path.is_file()), None)
    return replace(info, thumbnail=thumbnail)


def _read_spec(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"{path} is too large")
    return _as_dict(load_plain_yaml(path.read_text("utf-8")), path)


def _read_zipped_spec(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        entry = _spec_entry(archive)
        if entry is None or entry.file_size > _MAX_BYTES:
            raise ValueError(f"{path} holds no readable {_SPEC}")
        return _as_dict(load_plain_yaml(archive.read(entry).decode("utf-8")), path)


def _spec_entry(archive: zipfile.ZipFile) -> zipfile.ZipInfo | None:
    entries = archive.infolist()
    named = (e for e in entries if PurePosixPath(e.filename).name == _SPEC)
    return next(named, None)


def _read_header(path: Path) -> dict[str, str]:
    """Text of a safetensors file; the tensors behind it are not read."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if length > _MAX_BYTES:
            raise ValueError(f"{path} is no checkpoint")
        header = json.loads(file.read(length))
    return _as_dict(header["__metadata__"], path)


def _as_dict(value: Any, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{path} does not describe a model")
    return value
