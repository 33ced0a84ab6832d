"""What is said, and with which exit code, when a command cannot go on."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

USAGE, OUTPUT, MEMORY = 2, 7, 8

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True)
class Failure:
    """A sentence for a person and a code for a script."""

    sentence: str
    exit_code: int


INTERRUPTED = Failure("interrupted", 130)


def usage(error: typer.BadParameter) -> Failure:
    """Describe a wrong option or argument."""
    text = error.format_message().replace("Value error, ", "").rstrip(".")
    command = error.ctx.command_path if error.ctx else "segtrain"
    return Failure(f"{text}; see '{command} --help'.", USAGE)


def explain(error: Exception) -> Failure | None:
    """Describe what a user can mend; ``None`` for what looks like a defect."""
    from napari_segtrain.errors import SegtrainError

    if isinstance(error, SegtrainError):
        return Failure(str(error), error.exit_code)
    if isinstance(error, MemoryError) or _is_about_memory(error):
        return Failure(
            "Memory ran out; close other programs, or use smaller patches (--set "
            "sampling.patch_size), fewer network.first_filters, or smaller images.",
            MEMORY,
        )
    return _explain_os(error) if isinstance(error, OSError) else None


def _is_about_memory(error: Exception) -> bool:
    """Whether torch, which raises plain RuntimeErrors on the CPU, ran out of memory."""
    text = str(error).lower()
    is_torch = isinstance(error, RuntimeError)
    return is_torch and any(words in text for words in _MEMORY_WORDS)


def _explain_os(error: OSError) -> Failure:
    name = error.filename or "A file"
    if error.errno in _FULL:
        return Failure(
            f"The disk is full, so {name} could not be written; free some space or "
            "choose another place.",
            OUTPUT,
        )
    reason = error.strerror or str(error)
    return Failure(
        f"{name} cannot be read or written ({reason}); check the path and who may use "
        "it.",
        OUTPUT,
    )
