"""The folder beside a store that is being made: what is asked for, and what is done."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import psutil

from napari_segtrain.errors import OutputError
from napari_segtrain.io.atomic import remove_folder, write_json, writing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORMAT_VERSION = 1
REPORT = "segtrain.json"
"""File in a store that is complete, with the request that it answers."""
_MANIFEST = "manifest.json"
_LOCK = "finishing"


def work_path(store: Path) -> Path:
    """Folder that is there as long as a store is not complete."""
    return store.with_name(f"{store.name}.work")


class WorkFolder:
    """Manifest, marks of blocks that are done, and files of objects.

    Parameters
    ----------
    path : Path
        See `work_path`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        """Whether a run was begun and did not end."""
        return (self.path / _MANIFEST).is_file()

    def write_manifest(self, values: dict[str, Any]) -> None:
        """Begin a run; atomic.

        Raises
        ------
        OutputError
            When the folder cannot be written.
        """
        versioned = {"format_version": FORMAT_VERSION, **values}
        write_json(self.path / _MANIFEST, versioned)

    def read_manifest(self) -> dict[str, Any]:
        """Return what `write_manifest` was given.

        Raises
        ------
        OutputError
            When it is damaged, or of a newer version of this package.
        """
        path = self.path / _MANIFEST
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            version = values.pop("format_version")
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise OutputError(
                f"{path} cannot be read ({error}); delete {self.path} and begin again."
            ) from error
        if version != FORMAT_VERSION:
            raise OutputError(
                f"{path} has format version {version!r}, but this release knows "
                f"{FORMAT_VERSION}; update napari-segtrain, or choose another output."
            )
        return dict(values)

    def mark(self, stage: str, number: int, facts: Any = None) -> None:
        """Note that a block is on the disk, with facts for later stages.

        Raises
        ------
        OutputError
            When the folder cannot be written.
        """
        write_json(self.path / stage / f"{number}.json", facts)

    def marked(self, stage: str) -> set[int]:
        """Numbers of the blocks of a stage that are done."""
        folder = self.path / stage
        if not folder.is_dir():
            return set()
        names = (name.partition(".") for name in os.listdir(folder))  # noqa: PTH208
        return {int(stem) for stem, _, end in names if end == "json" and stem.isdigit()}

    def facts(self, stage: str, number: int) -> Any:
        """Return what a block was marked with."""
        path = self.path / stage / f"{number}.json"
        return json.loads(path.read_text(encoding="utf-8"))

    def lock(self) -> bool:
        """Take the right to finish; false when another process has it and lives."""
        path = self.path / _LOCK
        own = {"pid": os.getpid(), "host": _host()}
        for _ in range(2):
            try:
                with writing(self.path), path.open("x", encoding="utf-8") as file:
                    json.dump(own, file)
            except OutputError as error:
                if not isinstance(error.__cause__, FileExistsError):
                    raise
            else:
                return True
            if not self._is_stale(path, own):
                return False
            path.unlink(missing_ok=True)
        return False

    def unlock(self) -> None:
        """Give the right to finish back."""
        (self.path / _LOCK).unlink(missing_ok=True)

    def _is_stale(self, path: Path, own: dict[str, Any]) -> bool:
        try:
            other = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return True
        if other == own:
            return True
        same_host = other.get("host") == own["host"]
        return bool(same_host and not psutil.pid_exists(int(other.get("pid", 0))))

    def remove(self) -> None:
        """Delete everything, at once to whoever looks."""
        remove_folder(self.path)


def read_report(store: Path) -> dict[str, Any] | None:
    """Request that a complete store answers; ``None`` when there is none."""
    try:
        values = json.loads((store / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return dict(values) if isinstance(values, dict) else None


def write_report(stores: Sequence[Path], request: dict[str, Any]) -> None:
    """Note in stores that they are complete.

    Raises
    ------
    OutputError
        When they cannot be written.
    """
    for store in stores:
        write_json(store / REPORT, request)


def _host() -> str:
    import socket

    return socket.gethostname()
