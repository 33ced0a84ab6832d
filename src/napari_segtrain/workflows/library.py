"""The runs and models of a folder: listed, renamed, deleted.

Nothing here loads torch: descriptions and the headers of checkpoints are read, weights
are not.
"""

from __future__ import annotations

import re
import secrets
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from napari_segtrain.errors import ConfigError, OutputError
from napari_segtrain.io.atomic import write_text
from napari_segtrain.workflows.run_info import (
    NAME_FILE,
    RunInfo,
    is_bundle,
    is_checkpoint,
    is_run_folder,
    read_run_info,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "RunInfo",
    "delete_run",
    "find_model_paths",
    "list_runs",
    "read_run_info",
    "rename_run",
    "unique_run_dir",
]

_OURS = {
    "base", "base.json", "checkpoints", "config.yaml", "curves.png", "environment.json",
    "folds", "metrics.jsonl", "model", "model.yaml", NAME_FILE, "notices.jsonl",
    "plan.json", "snapshot", "tensorboard", "thumbnail.png", "weights.safetensors",
}  # fmt: skip
_NOBODYS = {".DS_Store", "Thumbs.db", "desktop.ini"}
_MAX_NAME = 80
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


def list_runs(folder: Path) -> list[RunInfo]:
    """Describe the runs and models in a folder, the newest first.

    Parameters
    ----------
    folder : Path
        Its run folders, model folders and model zips are listed; not what lies deeper.

    Returns
    -------
    list of RunInfo
        A damaged one says what its problem is; empty when there is no such folder.
    """
    runs = [read_run_info(path) for path in _children(folder) if _is_model(path)]
    return sorted(runs, key=lambda run: (run.created, run.name), reverse=True)


def find_model_paths(path: Path) -> list[Path]:
    """Runs and models that a path stands for: itself, or those in a folder."""
    if _is_model(path) or is_checkpoint(path):
        return [path]
    return [run.path for run in list_runs(path)]


def rename_run(path: Path, name: str) -> Path:
    """Give a run or model another name for people.

    Folders keep their place, since a run may be under way in them or be spoken of
    elsewhere; the name is stored inside. A zip is renamed.

    Returns
    -------
    Path
        Where it is now.

    Raises
    ------
    ConfigError
        When the name is empty.
    OutputError
        When the path is no run or model, or cannot be written.
    """
    name = " ".join(name.split())[:_MAX_NAME]
    if not name:
        raise ConfigError("The new name is empty; write at least one character.")
    _check_is_ours(path)
    if path.is_dir():
        write_text(path / NAME_FILE, name + "\n")
        return path
    target = path.with_name(f"{_file_name(name)}.zip")
    if target.exists() and not target.samefile(path):
        raise OutputError(f"{target} exists already; choose another name.")
    return _moved(path, target)


def delete_run(path: Path) -> None:
    """Remove a run or model for good.

    It is moved aside within its folder first, so that it disappears at once and as a
    whole, or stays as it is.

    Raises
    ------
    OutputError
        When the path is no run or model, holds files of somebody else, or cannot be
        moved.
    """
    _check_is_ours(path)
    for child in _children(path) if path.is_dir() else ():
        if child.name not in _OURS | _NOBODYS:
            raise OutputError(
                f"{path} holds {child.name}, which is no part of a run; move it "
                "elsewhere, or delete the folder by hand."
            )
    hidden = path.with_name(f".{path.name}-{secrets.token_hex(4)}.deleted")
    _moved(path, hidden)
    if hidden.is_dir():
        shutil.rmtree(hidden, ignore_errors=True)
    else:
        hidden.unlink(missing_ok=True)


def unique_run_dir(folder: Path, name: str) -> Path:
    """Path of a new run in a folder, after a name for people; nothing is made.

    Characters that file systems do not take are replaced, and a number is added where
    the name is taken: ``axons``, ``axons 2``, ``axons 3``.
    """
    stem = _file_name(name)
    number, path = 1, folder / stem
    while path.exists():
        number += 1
        path = folder / f"{stem} {number}"
    return path


def _children(folder: Path) -> Iterator[Path]:
    """Visible entries of a folder; none when it cannot be read."""
    with suppress(OSError):
        yield from sorted(p for p in folder.iterdir() if not p.name.startswith("."))


def _is_model(path: Path) -> bool:
    return is_run_folder(path) or is_bundle(path)


def _check_is_ours(path: Path) -> None:
    if path.is_symlink() or not _is_model(path):
        raise OutputError(
            f"{path} is neither a run folder nor a model; nothing was changed."
        )


def _moved(path: Path, target: Path) -> Path:
    try:
        return path.rename(target)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be moved ({error.strerror or error}); close programs that "
            "use it, and check who may write there."
        ) from error


def _file_name(name: str) -> str:
    """Turn a name into one that every file system takes."""
    text = _FORBIDDEN.sub("-", " ".join(name.split()))[:_MAX_NAME].strip(" .-")
    if not text:
        return "run"
    return f"{text}_" if _RESERVED.fullmatch(text) else text
