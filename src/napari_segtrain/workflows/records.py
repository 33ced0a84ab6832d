"""What an output was made of, noted beside it: so a rerun knows what is done.

Each output has a note of its own, in a hidden folder beside it, that is replaced as a
whole. Processes that write to one folder at the same time thus never spoil the notes of
one another.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_segtrain.errors import OutputError
from napari_segtrain.inference.volume.request import (
    Request,
    describe_request,
    hash_model,
)
from napari_segtrain.io import fingerprint, refuse_existing, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from napari_segtrain.config import InferenceConfig, VolumeConfig
    from napari_segtrain.image import Image
    from napari_segtrain.inference.protocol import TrainedModel

FOLDER = ".segtrain"

_FORMAT_VERSION = 1
_WORDS = {
    "models": "other models",
    "image": "another image",
    "settings": "other settings",
    "slices": "other slices",
}

Contents = dict[str, int | float | None]
"""Numbers about a label image, by name."""


@dataclass(frozen=True)
class Record:
    """What is known of an output.

    Parameters
    ----------
    request : dict
        Models, image and settings that it is made of.
    files : dict of str to str
        Fingerprint of each file, by its path as seen from the folder of the output.
    seconds : float
        What it took.
    contents : dict
        Numbers about the labels.
    is_complete : bool
        False as long as the output is being made.
    """

    request: Request
    files: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    contents: Contents = field(default_factory=dict)
    is_complete: bool = False


class Requests:
    """Says what outputs are made of; models are hashed once for all images.

    Parameters
    ----------
    models : sequence of TrainedModel
        What is applied.
    config, volume
        Settings; those of the machine do not count.
    """

    def __init__(
        self,
        models: Sequence[TrainedModel],
        config: InferenceConfig,
        volume: VolumeConfig,
    ) -> None:
        self._models = models
        self._config = config
        self._volume = volume
        self._hashes: list[str] = []

    def of_store(self, image: Image, area: Request) -> Request:
        """Describe a store, as its run notes it itself."""
        if not self._hashes:
            self._hashes = [hash_model(model) for model in self._models]
        return describe_request(
            self._models, image, self._config, self._volume, area, self._hashes
        )

    def of_file(self, image: Image, slices: tuple[int, int] | None) -> Request:
        """Describe a file."""
        whole = self.of_store(image, {})
        parts = {name: whole[name] for name in ("models", "image", "settings")}
        return {**parts, "slices": slices and list(slices)}


def begin_output(output: Path, request: Request) -> None:
    """Note that an output is being made, so that what a crash leaves is replaced.

    Raises
    ------
    OutputError
        When the note cannot be written.
    """
    _write(output, Record(request))


def complete_output(
    output: Path, files: Iterable[Path], request: Request, *, found: Record
) -> Record:
    """Note what the files of an output are, once they are complete.

    Parameters
    ----------
    output : Path
        The labels.
    files : iterable of Path
        All that belongs to it.
    request : dict
        What it was made of.
    found : Record
        With duration and contents.

    Raises
    ------
    OutputError
        When the note cannot be written.
    """
    prints = {_name(output, path): fingerprint(path) for path in files}
    record = Record(request, prints, found.seconds, found.contents, is_complete=True)
    _write(output, record)
    return record


def read_record(output: Path) -> Record | None:
    """Return the note of an output; ``None`` without one that can be read."""
    try:
        values = json.loads(_path(output).read_text(encoding="utf-8"))
        is_known = values.pop("format_version") == _FORMAT_VERSION
        return Record(**values) if is_known else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def files_to_keep(
    output: Path, files: Sequence[Path], request: Request, *, overwrite: bool
) -> set[Path]:
    """Files of an output that need not be made, as they are what would be made.

    Parameters
    ----------
    output : Path
        The labels.
    files : sequence of Path
        All that belongs to it.
    request : dict
        What it is to be made of.
    overwrite : bool
        Whether others may be replaced.

    Raises
    ------
    OutputError
        When a file is there that may not be replaced.
    """
    there = [path for path in files if path.exists()]
    record = read_record(output)
    kept = set() if record is None else _unchanged(output, there, record, request)
    is_unfinished = (
        record is not None
        and not record.is_complete
        and not _differences(record.request, request)
    )
    for path in there:
        if path not in kept and not overwrite and not is_unfinished:
            _refuse(output, path, record, request)
    return kept


def _unchanged(
    output: Path, there: Sequence[Path], record: Record, request: Request
) -> set[Path]:
    if _differences(record.request, request):
        return set()
    prints = record.files
    return {
        path for path in there if prints.get(_name(output, path)) == fingerprint(path)
    }


def _refuse(output: Path, path: Path, record: Record | None, request: Request) -> None:
    if record is not None and (changed := _differences(record.request, request)):
        raise OutputError(
            f"{path} exists already and was made with {changed}; choose "
            "another --output, or replace it with --overwrite."
        )
    if record is not None and _name(output, path) in record.files:
        raise OutputError(
            f"{path} was changed after it was made; choose another --output, or "
            "replace it with --overwrite."
        )
    refuse_existing(path, overwrite=False)


def _differences(first: Request, second: Request) -> str:
    found = [text for key, text in _WORDS.items() if first.get(key) != second.get(key)]
    return " and ".join(found)


def _write(output: Path, record: Record) -> None:
    values: dict[str, Any] = {"format_version": _FORMAT_VERSION, **vars(record)}
    path = _path(output)
    try:
        write_json(path, values)
    except OutputError:
        with suppress(OSError):
            path.parent.rmdir()  # where nothing could be written, nothing is left
        raise


def _path(output: Path) -> Path:
    return output.parent / FOLDER / f"{output.name}.json"


def _name(output: Path, path: Path) -> str:
    return path.relative_to(output.parent).as_posix()
