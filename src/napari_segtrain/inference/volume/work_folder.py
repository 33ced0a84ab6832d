"""The folder beside a store that is being made: what is asked for, and what is done."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil

from napari_segtrain.errors import OutputError
from napari_segtrain.io.atomic import remove_folder, write_json, writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FORMAT_VERSION = 1
REPORT = "segtrain.json"
"""File in a store that is complete, with the request that it answers."""
_MANIFEST = "manifest.json"
_LOCK = "finishing"
_CLAIMS = "claims"
_STALE_SECONDS = 600.0
"""A process that finishes touches its lock at each block."""
_DEAD_SECONDS = 30.0
"""The same for one of this computer that is not there any more."""


def work_path(store: Path) -> Path:
    """Folder that is there as long as a store is not complete."""
    return store.with_name(f"{store.name}.work")


class WorkFolder:
    """Manifest, marks of blocks that are done, and files of objects.

    Parameters
    ----------
    path : Path
        See `work_path`.

    Attributes
    ----------
    token : str
        Of the run, once its manifest was written or read. Marks of another run in the
        same folder, by a process that does not know that it was replaced, do not count.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.token = ""
        self._own = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(8)}"

    @property
    def exists(self) -> bool:
        """Whether a run was begun and did not end."""
        return (self.path / _MANIFEST).is_file()

    def is_current(self) -> bool:
        """Whether the run that was opened did not end and was not replaced."""
        try:
            text = (self.path / _MANIFEST).read_text(encoding="utf-8")
            return bool(json.loads(text)["token"] == self.token)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    @property
    def run(self) -> Path:
        """Folder of what belongs to this run."""
        return self.path / self.token

    def write_manifest(self, values: dict[str, Any]) -> bool:
        """Begin a run, unless another process has begun one just now.

        Returns
        -------
        bool
            False when there is a manifest already, which stays as it is.

        Raises
        ------
        OutputError
            When the folder cannot be written.
        """
        token = secrets.token_hex(8)
        versioned = {"format_version": FORMAT_VERSION, "token": token, **values}
        draft = self.path / f"{token}.json"
        write_json(draft, versioned)
        try:
            is_first = _linked(draft, self.path / _MANIFEST)
        finally:
            draft.unlink(missing_ok=True)
        if is_first:
            self.token = token
        return is_first

    def read_manifest(self) -> dict[str, Any] | None:
        """Return what `write_manifest` was given; ``None`` when there is nothing.

        Raises
        ------
        OutputError
            When it is damaged, or of a newer version of this package.
        """
        path = self.path / _MANIFEST
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            version, self.token = values.pop("format_version"), values.pop("token")
        except FileNotFoundError:
            return None
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

        Where another process has completed the run there is nothing to note.

        Raises
        ------
        OutputError
            When the folder cannot be written.
        """
        if self.path.is_dir():
            write_json(self._mark(stage, number), facts)

    def is_marked(self, stage: str, number: int) -> bool:
        """Whether a block is on the disk."""
        return self._mark(stage, number).is_file()

    def marked(self, stage: str) -> set[int]:
        """Numbers of the blocks of a stage that are done."""
        try:
            found = os.listdir(self.run / stage)  # noqa: PTH208 - names are enough
        except FileNotFoundError:
            return set()
        names = (name.partition(".") for name in found)
        return {int(stem) for stem, _, end in names if end == "json" and stem.isdigit()}

    def facts(self, stage: str, number: int) -> Any:
        """Return what a block was marked with.

        Raises
        ------
        OutputError
            When the mark cannot be read.
        """
        path = self._mark(stage, number)
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OutputError(
                f"{path} cannot be read ({error}); delete {self.path} and begin again."
            ) from error

    def claim(self, stage: str, number: int) -> bool:
        """Take a block that another process could do too; false when one has it.

        Who takes it marks it or gives it back with `release`.

        Raises
        ------
        OutputError
            When the folder cannot be written.
        """
        return self._take(self._claim(stage, number))

    def release(self, stage: str, number: int) -> None:
        """Give back a block that was taken, done or not."""
        self._give_back(self._claim(stage, number))

    def is_abandoned(self, stage: str, number: int) -> bool:
        """Whether a process of this computer had a block when it died."""
        return _is_dead(_text(self._claim(stage, number)))

    def claimant(self, stage: str, numbers: Iterable[int]) -> str:
        """Computer and process that has one of these blocks; empty when none has."""
        texts = (_text(self._claim(stage, number)) for number in numbers)
        return next((_who(text) for text in texts if text), "")

    def lock(self) -> bool:
        """Take the right to finish; false when another process has it.

        One that did not touch it for ten minutes has lost it. Where the folder is gone
        another process has finished.
        """
        return self._take(self.path / _LOCK)

    def touch(self) -> None:
        """Show that the process that finishes is at work."""
        with suppress(OSError):
            os.utime(self.path / _LOCK)

    def unlock(self) -> None:
        """Give the right to finish back, if it is still held."""
        self._give_back(self.path / _LOCK)

    @property
    def finisher(self) -> str:
        """Computer and process that finishes; empty when none does."""
        return _who(_text(self.path / _LOCK))

    def _claim(self, stage: str, number: int) -> Path:
        return self.run / _CLAIMS / f"{stage}-{number}"

    def _take(self, path: Path) -> bool:
        """Make a file with the own name, unless another process has made it."""
        if not self.is_current():
            return False
        draft = self.path / f"{_LOCK}-{secrets.token_hex(4)}"
        try:
            with writing(self.path):
                draft.write_text(self._own, encoding="utf-8")
                path.parent.mkdir(parents=True, exist_ok=True)
            return _linked(draft, path) or (self._steal(path) and _linked(draft, path))
        except OutputError:
            if self.is_current():
                raise
            return False  # it was completed just now
        finally:
            draft.unlink(missing_ok=True)

    def _give_back(self, path: Path) -> None:
        if _text(path) == self._own:
            path.unlink(missing_ok=True)

    def _mark(self, stage: str, number: int) -> Path:
        return self.run / stage / f"{number}.json"

    def _steal(self, path: Path) -> bool:
        """Remove the lock of a process that is gone."""
        holder = _text(path)
        if not _is_stale(path, holder):
            return False
        taken = path.with_name(f"{_LOCK}-{secrets.token_hex(4)}")
        try:
            path.rename(taken)
        except OSError:
            return False
        is_it = _text(taken) == holder
        if not is_it:  # that of a process that was faster
            _linked(taken, path)
        taken.unlink(missing_ok=True)
        return is_it

    def remove(self) -> None:
        """Delete everything, at once to whoever looks."""
        remove_folder(self.path)


def _linked(draft: Path, path: Path) -> bool:
    """Give a file its name, unless there is one of that name."""
    try:
        with writing(path):
            try:
                os.link(draft, path)
            except PermissionError:  # a file system without links
                with path.open("x", encoding="utf-8") as file:
                    file.write(_text(draft))
    except OutputError as error:
        if isinstance(error.__cause__, FileExistsError):
            return False
        raise
    return True


def _who(text: str) -> str:
    """Computer and process of a lock."""
    return " ".join(text.split()[:2])


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _is_stale(path: Path, holder: str) -> bool:
    try:
        age = time.time() - path.stat().st_mtime
    except OSError:
        return False
    return age > (_DEAD_SECONDS if _is_dead(holder) else _STALE_SECONDS)


def _is_dead(holder: str) -> bool:
    """Whether the holder of a lock was a process of this computer, and is gone."""
    host, _, rest = holder.partition(" ")
    number = rest.partition(" ")[0]
    is_here = host == socket.gethostname() and number.isdigit()
    return is_here and not psutil.pid_exists(int(number))


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
