"""Preferences of the plugin, kept by napari."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from napari.settings import get_plugin_settings
from qtpy.QtCore import QStandardPaths

PLUGIN = "napari-segtrain"
RUN_FOLDER_VARIABLE = "SEGTRAIN_RUN_FOLDER"
"""An environment variable that goes before the preference, for labs and tests."""

Device = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class Preferences:
    """What holds for all runs.

    Parameters
    ----------
    run_folder : Path
        Where runs are kept.
    device : str
        Where networks compute.
    memory_limit : float, optional
        Most memory that a run may plan with, in GB.
    """

    run_folder: Path
    device: Device
    memory_limit: float | None


def read_preferences() -> Preferences:
    """Read what the user chose in napari's preferences."""
    general = get_plugin_settings(PLUGIN).general
    folder = os.environ.get(RUN_FOLDER_VARIABLE) or str(general.run_folder).strip()
    limit = float(general.memory_limit)
    return Preferences(
        run_folder=Path(folder).expanduser() if folder else default_run_folder(),
        device=cast("Device", str(general.device)),
        memory_limit=limit if limit > 0 else None,
    )


def default_run_folder() -> Path:
    """Return the folder for runs in the user's documents."""
    location = QStandardPaths.StandardLocation.DocumentsLocation
    documents = QStandardPaths.writableLocation(location)
    return Path(documents or Path.home()) / "napari-segtrain"
