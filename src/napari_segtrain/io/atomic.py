"""Files that appear complete or not at all."""

from __future__ import annotations

import errno
import glob
import json
import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segtrain.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FULL = {errno.ENOSPC, errno.EDQUOT}
_LITTLE_SPACE = 1 << 20
_DELETED = ".tmp.deleted"
"""End of the names of folders that are being removed; what is being made ends else."""
_TOKEN = "[0-9a-f]" * 8


@contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to, and rename it to ``target`` at the end.

    The temporary file or folder is hidden, lies beside the target and has its suffix;
    the caller creates it. It is flushed to the disk before the rename, which replaces
    an existing target. When the block fails, it is deleted and the target stays as it
    was. Missing parent folders are made.

    Parameters
    ----------
    target : str or Path
        File or folder to write.

    Raises
    ------
    OutputError
        When the disk is full or the target cannot be written.
    """
    target = Path(target)
    token = secrets.token_hex(4)
    temporary = target.with_name(f".{target.stem}-{token}.tmp{target.suffix}")
    try:
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            flush(temporary)
            _replace(temporary, target)
    finally:
        _remove(temporary)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder, and rename it to ``target``, which it never replaces.

    When another process has made ``target`` meanwhile, that one stays.

    Raises
    ------
    OutputError
        As of `atomic_path`.
    """
    temporary = target.with_name(f".{target.stem}-{secrets.token_hex(4)}.tmp")
    try:
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            flush(temporary)
            try:
                temporary.rename(target)
            except OSError:
                if not target.is_dir():
                    raise
            _flush_folder(target.parent)
    finally:
        _remove(temporary)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Raise `OutputError` with the cause when the system refuses to write."""
    try:
        yield
    except OSError as error:
        raise _output_error(target, error) from error


def write_bytes(target: str | Path, data: bytes) -> None:
    """Write bytes atomically; raises `OutputError` as `atomic_path` does."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(data)


def write_text(target: str | Path, text: str) -> None:
    """Write UTF-8 text atomically, with the line ends it has, on every system."""
    write_bytes(target, text.encode())


def write_json(target: str | Path, value: Any) -> None:
    """Write a value as indented JSON atomically; NaN is refused with `ValueError`."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(target, text + "\n")


def remove_folder(path: Path) -> None:
    """Remove a folder, if it is there, so that it is gone as a whole at once.

    Raises
    ------
    OutputError
        When it may not be renamed, for instance since a program has a file of it open.
    """
    remove_folders([path])


def remove_folders(paths: Sequence[Path]) -> None:
    """Remove folders, if they are there: first all names, then what was in them.

    So no long removal of one lies between the names of two.

    Raises
    ------
    OutputError
        As of `remove_folder`; all are there then.
    """
    renamed: list[tuple[Path, Path]] = []
    try:
        for path in filter(Path.is_dir, paths):
            token = secrets.token_hex(4)
            old = path.with_name(f".{path.name}-{token}{_DELETED}")
            with writing(path):
                path.rename(old)
            renamed.append((path, old))
    except OutputError:
        for path, old in renamed:
            with suppress(OSError):
                old.rename(path)
        raise
    for _, old in renamed:
        _remove(old)
        _flush_folder(old.parent)


def sweep_deleted(path: Path) -> None:
    """Remove what `remove_folder` has left of a folder of this name when it was killed.

    Another process that is just removing it is not disturbed.
    """
    pattern = f".{glob.escape(path.name)}-{_TOKEN}{_DELETED}"
    for old in path.parent.glob(pattern):
        _remove(old)


def refuse_existing(path: str | Path, *, overwrite: bool) -> None:
    """Raise `OutputError` when ``path`` exists and must not be replaced."""
    if Path(path).exists() and not overwrite:
        raise OutputError(
            f"{path} exists already; choose another name, or replace it with "
            "--overwrite."
        )


def flush(path: Path) -> None:
    """Have the system write a file, or all files of a folder, to the disk."""
    files = path.rglob("*") if path.is_dir() else [path]
    for file in files:
        if file.is_file():
            with file.open("rb+") as handle:
                os.fsync(handle.fileno())


def _replace(temporary: Path, target: Path) -> None:
    if not target.is_dir():
        temporary.replace(target)
    else:
        old = temporary.with_name(f"{temporary.name}.old")
        target.rename(old)
        temporary.replace(target)
        _remove(old)
    _flush_folder(target.parent)


def _flush_folder(folder: Path) -> None:
    """Make the rename itself last; Windows cannot open folders and needs it not."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _is_full(folder: Path, error: OSError) -> bool:
    """Whether an error means a full disk; NumPy's says only how much it wrote."""
    if error.errno is not None:
        return error.errno in _FULL
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free < _LITTLE_SPACE


def _output_error(target: Path, error: OSError) -> OutputError:
    if _is_full(target.parent, error):
        return OutputError(
            f"The disk is full, so {target} could not be written; free some space or "
            "choose another place."
        )
    reason = error.strerror or str(error)
    return OutputError(
        f"{target} cannot be written ({reason}); choose a place that can be written to."
    )
