"""Arrays inside a store or file: which one is meant, and what their axes are called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_segtrain.errors import DataError
from napari_segtrain.io.source import UNKNOWN_AXIS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_N_LISTED = 5
_LEVEL = re.compile(r"(?<![^/])(?:s\d+$|\d+(?=/cells$))")
"""Level of a pyramid in a path: ``s1`` of N5, ``1/cells`` of BigDataViewer's HDF5."""


def only(names: Sequence[str], path: Path, what: str) -> str:
    """Return the single name.

    Parameters
    ----------
    names : sequence of str
        Of arrays or images inside ``path``.
    path : Path
        For the message.
    what : str
        What the names are, for the message.

    Raises
    ------
    DataError
        When there is no name, or several.
    """
    if len(names) == 1:
        return names[0]
    if not names:
        raise DataError(f"{path} holds no {what} that can be read.")
    listed = ", ".join(names[:_N_LISTED])
    raise DataError(
        f"{path} holds {len(names)} {what} ({listed}); give the path of one, such as "
        f"{path / names[0]}."
    )


def axis_letters(names: Iterable[object], n_dims: int) -> str:
    """Letters of named dimensions; empty unless each has a name, Y and X included."""
    letters = "".join(_letter(name) for name in names)
    is_clear = len(letters) == n_dims and {"Y", "X"} <= set(letters)
    return letters if is_clear else ""


def _letter(name: object) -> str:
    letter = str(name)[:1].upper()
    return letter if letter.isalpha() else UNKNOWN_AXIS


def is_level(name: str) -> bool:
    """Whether an array is a level of a pyramid, by its path."""
    return _full_resolution(name) is not None


def is_coarse(name: str) -> bool:
    """Whether an array is a level of a pyramid below its full resolution."""
    return _full_resolution(name) not in (None, name)


def without_coarse_levels(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Names of arrays but for the coarser levels of pyramids, sorted.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Shape of each array by its path.
    """
    return sorted(name for name in shapes if not _is_copy(name, shapes))


def _is_copy(name: str, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    full = shapes.get(_full_resolution(name) or name, ())
    own = shapes[name]
    is_smaller = len(own) == len(full) and own != full
    return is_smaller and all(a <= b for a, b in zip(own, full, strict=True))


def _full_resolution(name: str) -> str | None:
    """Path of the full resolution of a pyramid that an array belongs to."""
    match = _LEVEL.search(name)
    if match is None:
        return None
    zero = re.sub(r"\d+", "0", match[0])
    return name[: match.start()] + zero + name[match.end() :]
