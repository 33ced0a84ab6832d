"""Which images are meant by paths and patterns."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segtrain.errors import DataError
from napari_segtrain.io.formats import SUFFIXES, file_of, is_store, suffix_of
from napari_segtrain.io.listing import is_image, list_images, visible_entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WILD = frozenset("*?[")


@dataclass(frozen=True)
class FoundImage:
    """An image, and where its result belongs.

    Parameters
    ----------
    path : Path
        File, store, or folder of slices.
    folder : str
        Below the folder of the results: the one in which a pattern found the image,
        as seen from the part of the pattern without wildcards.
    """

    path: Path
    folder: str = ""


def find_images(
    given: Sequence[Path], *, stack: bool = False, output: Path | None = None
) -> list[FoundImage]:
    """Find the images of files, folders, stores and patterns; each of them once.

    A path that exists is taken as it is. In others ``*``, ``?`` and ``[...]`` stand for
    parts of a name and ``**`` for folders of any depth. Of what a pattern finds, other
    formats and hidden files are left out, and a folder is the images in it.

    Parameters
    ----------
    given : sequence of Path
        Paths and patterns.
    stack : bool
        Folders are volumes; what is found are these.
    output : Path, optional
        Folder in which a pattern finds nothing, since results are written there.

    Raises
    ------
    DataError
        When a path does not exist or holds no image, or a pattern finds none.
    """
    found: dict[Path, FoundImage] = {}
    for path in given:
        if is_pattern(path):
            images = _pattern_images(path, stack=stack, output=output)
        elif stack:
            images = [FoundImage(path)]
        else:
            images = [FoundImage(image) for image in list_images(path)]
        for image in images:
            found.setdefault(image.path.resolve(), image)
    return list(found.values())


def is_pattern(path: Path) -> bool:
    """Whether a path has wildcards and is not the name of a file all the same."""
    return bool(_WILD & set(str(path))) and not file_of(path).exists()


def _pattern_images(
    pattern: Path, *, stack: bool, output: Path | None
) -> list[FoundImage]:
    parts = pattern.parts[1:] if pattern.anchor else pattern.parts
    n_fixed = next(n for n, part in enumerate(parts) if _WILD & set(part))
    base = Path(pattern.anchor, *parts[:n_fixed])
    hidden = _hidden_output(base, output)
    found = [
        FoundImage(image, image.parent.relative_to(base).as_posix())
        for match in _matches(base, parts[n_fixed:])
        for image in (_volumes_of(match) if stack else _images_of(match))
        if hidden is None or not image.resolve().is_relative_to(hidden)
    ]
    if not found:
        kind = "folder of slices" if stack else "image that can be read"
        raise DataError(
            f"The pattern '{pattern}' matches no {kind}; check it and what is in "
            f"{base}."
        )
    return found


def _hidden_output(base: Path, output: Path | None) -> Path | None:
    """Folder of results below the place where a pattern looks, if there is one."""
    if output is None or base.resolve().is_relative_to(output.resolve()):
        return None
    return output.resolve()


def _matches(place: Path, parts: Sequence[str]) -> Iterator[Path]:
    if not parts:
        yield place
        return
    first, rest = parts[0], parts[1:]
    if first == "**":
        yield from _matches(place, rest)
        for entry in _folders(place):
            yield from _matches(entry, parts)
    elif _WILD & set(first):
        for entry in visible_entries(place) if place.is_dir() else ():
            if fnmatch(entry.name, first):
                yield from _matches(entry, rest)
    elif file_of(place / first).exists():
        yield from _matches(place / first, rest)


def _folders(place: Path) -> list[Path]:
    """Folders that ``**`` goes into: those of stores have a million files."""
    entries = visible_entries(place) if place.is_dir() and not is_store(place) else []
    return [
        entry
        for entry in entries
        if entry.is_dir() and not entry.is_symlink() and not is_store(entry)
    ]


def _images_of(match: Path) -> list[Path]:
    if is_store(match):
        return [match]
    if match.is_dir():
        return [entry for entry in visible_entries(match) if is_image(entry)]
    return [match] if suffix_of(file_of(match)) in SUFFIXES else []


def _volumes_of(match: Path) -> list[Path]:
    is_folder = match.is_dir() and not is_store(match)
    is_volume = is_folder and any(map(is_image, visible_entries(match)))
    return [match] if is_volume else []
