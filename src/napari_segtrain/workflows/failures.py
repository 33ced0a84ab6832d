"""What went wrong: a sentence for a person, and a report to copy."""

from __future__ import annotations

import errno
import platform
import re
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version

from napari_segtrain.config import ExperimentConfig
from napari_segtrain.config.kinds import models_of
from napari_segtrain.errors import SegtrainError, is_out_of_memory

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_OPTION = re.compile(r"(?<![\w/.-])--([a-z][a-z-]+)")
_SETTING = re.compile(
    "|".join(
        rf"(?<![\w/.-]){section}\.{name}(?![\w/-]|\.\w)"
        for section, info in ExperimentConfig.model_fields.items()
        for name in {n for m in models_of(info.annotation) for n in m.model_fields}
    )
)
_PACKAGES = ("napari-segtrain", "torch", "monai", "numpy")
_VIEWER_PACKAGES = ("napari", "PyQt6", "PyQt5", "PySide6", "pyqtgraph")


def explain(error: BaseException) -> str | None:
    """Describe what a user can mend, in one or two sentences.

    Options of the command line and settings of a config appear by their name only:
    ``--voxel-size`` is "voxel size", ``sampling.patch_size`` "patch size". The command
    line says the message of a `SegtrainError` as it is.

    Returns
    -------
    str or None
        ``None`` for what looks like a defect; see `error_report`.
    """
    if isinstance(error, SegtrainError):
        return without_options(str(error))
    if is_out_of_memory(error):
        return (
            "Memory ran out; close other programs, or use smaller patches, fewer "
            "first filters, or smaller images."
        )
    return _explain_os(error) if isinstance(error, OSError) else None


def without_options(text: str) -> str:
    """Name options of the command line and settings of a config in plain words."""
    text = _OPTION.sub(lambda option: option[1].replace("-", " "), text)
    return _SETTING.sub(_words, text)


def _words(setting: re.Match[str]) -> str:
    return setting[0].partition(".")[2].replace("_", " ")


def error_report(error: BaseException) -> str:
    """Traceback, versions and platform: what belongs into the report of a defect."""
    lines = [
        "".join(traceback.format_exception(error)).rstrip(),
        "",
        *(f"{name} {number}" for name, number in _versions().items()),
        f"python {platform.python_version()}",
        platform.platform(),
    ]
    return "\n".join(lines) + "\n"


def _explain_os(error: OSError) -> str:
    name = error.filename or "A file"
    if error.errno in _FULL:
        return (
            f"The disk is full, so {name} could not be written; free some space or "
            "choose another place."
        )
    reason = error.strerror or str(error)
    return (
        f"{name} cannot be read or written ({reason}); check the path and who may use "
        "it."
    )


def _versions() -> dict[str, str]:
    """Installed versions; of a viewer only while it is loaded."""
    loaded = [name for name in _VIEWER_PACKAGES if name in sys.modules]
    found = {}
    for name in (*_PACKAGES, *loaded):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "(not installed)"
    return found
