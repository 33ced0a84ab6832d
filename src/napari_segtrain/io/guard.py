"""Failures of the libraries that decode files, turned into one sentence."""

from __future__ import annotations

import struct
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_segtrain.errors import DataError
from napari_segtrain.io.formats import file_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READ_ERRORS = (
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    EOFError,
    ImportError,
    SyntaxError,
    struct.error,
    zlib.error,
)
"""What decoders raise on damaged files (imagecodecs: ``RuntimeError``; Pillow:
``SyntaxError``; a codec that is not installed: ``ImportError``)."""


@contextmanager
def reading(path: Path, *errors: type[Exception]) -> Iterator[None]:
    """Raise `DataError` with the path and the cause when a file cannot be decoded.

    Parameters
    ----------
    path : Path
    *errors
        What a library raises besides `READ_ERRORS`.
    """
    caught: tuple[type[Exception], ...] = (*READ_ERRORS, *errors)
    try:
        yield
    except caught as error:
        raise DataError(
            f"{path} cannot be read ({describe(error)}); it may be damaged, cut off "
            "or of another format than its name says."
        ) from error


def describe(error: BaseException) -> str:
    """Class and first line of an error, at most 200 characters."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {text}"[:200] if text else name


def check_exists(path: Path) -> None:
    """Raise `DataError` when there is no file or folder at ``path``, or it is empty.

    Of a path into an HDF5 file, the file.
    """
    path = file_of(path)
    if not path.exists():
        raise DataError(f"{path} does not exist; check the name.")
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes); copy or save it again.")
