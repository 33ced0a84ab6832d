"""What is said, and with which exit code, when a command cannot go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

USAGE, OUTPUT, MEMORY = 2, 7, 8
_MEMORY_HINT = (
    " The settings are sampling.patch_size and network.first_filters (--set "
    "sampling.patch_size=[1,128,128])."
)


@dataclass(frozen=True)
class Failure:
    """A sentence for a person, if there is one to say, and a code for a script."""

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
    from napari_segtrain.control import is_first_process
    from napari_segtrain.errors import (
        OtherProcessFailed,
        SegtrainError,
        is_out_of_memory,
    )
    from napari_segtrain.workflows import failures

    if isinstance(error, OtherProcessFailed) and not is_first_process():
        return Failure("", error.exit_code)
    if isinstance(error, SegtrainError):
        return Failure(str(error), error.exit_code)
    sentence = failures.explain(error)
    if sentence is None:
        return None
    if is_out_of_memory(error):
        return Failure(sentence + _MEMORY_HINT, MEMORY)
    return Failure(sentence, OUTPUT)
