"""Errors that a user can mend.

Every message is one sentence (or two) that says what is wrong, the value met and
what to change. None derives from ``RuntimeError``: a generator-based napari worker
swallows that class without a word.
"""

from __future__ import annotations

_MEMORY_WORDS = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "unable to allocate",
    "alloc_failed",
    "bad_alloc",
    "could not allocate",
    "failed to allocate",
)
"""What torch's CPU allocator, CUDA, cuDNN, Metal and other engines say, in small
letters."""


class SegtrainError(Exception):
    """Base of everything that the user can put right."""

    exit_code = 1


class ConfigError(SegtrainError):
    """A setting, or a combination of settings, that cannot work."""

    exit_code = 2


class DataError(SegtrainError):
    """Images or labels that cannot be used as they are."""

    exit_code = 3


class ModelError(SegtrainError):
    """A model file that cannot be read, or does not fit the image."""

    exit_code = 4


class TrainingError(SegtrainError):
    """A training run that cannot start or go on."""

    exit_code = 5


class OtherProcessFailed(TrainingError):
    """Another process of the training could not go on, and said why."""


class PredictionError(SegtrainError):
    """A prediction that cannot start or go on."""

    exit_code = 6


class OutputError(SegtrainError):
    """An output that exists already or cannot be written."""

    exit_code = 7


class OtherResultFound(OutputError):
    """A result of something else is where one is to be written."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; libraries raise plain RuntimeErrors for it on a CPU."""
    text = str(error).lower()
    is_said = any(words in text for words in _MEMORY_WORDS)
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and is_said
    )
