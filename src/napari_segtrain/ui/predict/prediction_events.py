"""What a prediction in a thread is given, and what it reports."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy.typing as npt

from napari_segtrain.config import InferenceConfig, VolumeConfig
from napari_segtrain.control import Event, RunControl
from napari_segtrain.image import ClassTable, Image
from napari_segtrain.io.levels import Levels
from napari_segtrain.ui.layers.results import Former, Kind
from napari_segtrain.ui.predict.result_canvas import ResultCanvas
from napari_segtrain.ui.predict.scope import Scope

if TYPE_CHECKING:
    from napari_segtrain.errors import SegtrainError

_WAIT_SECONDS = 0.1
_N_WAITS = 300


@dataclass(frozen=True, eq=False)
class Job:
    """One image to predict.

    Parameters
    ----------
    image : Image
        What is predicted.
    axes : str
        Letters of the result.
    scope : Scope
        The part.
    former : Former, optional
        Result that may be gone on with.
    """

    image: Image
    axes: str
    scope: Scope
    former: Former | None = None


@dataclass(frozen=True)
class StoreOrder:
    """Where results go that are not kept in memory.

    Parameters
    ----------
    folder : Path
        Of the stores.
    volume : VolumeConfig
        Blocks.
    """

    folder: Path
    volume: VolumeConfig


@dataclass(frozen=True)
class Order:
    """What is done with each image.

    Parameters
    ----------
    models : tuple of Path
        What is applied; the mean of several.
    config : InferenceConfig
        How; its memory limit holds for results as well.
    store : StoreOrder, optional
        For results in stores; they are layers in memory without it.
    """

    models: tuple[Path, ...]
    config: InferenceConfig
    store: StoreOrder | None = None


@dataclass(frozen=True, eq=False)
class FormerWanted(Event):
    """A former result is about to be gone on with; it must not be edited any more.

    Parameters
    ----------
    number : int
        Of the job.
    is_locked : threading.Event
        Set by the GUI thread once nobody can paint on the layer.
    """

    number: int
    is_locked: threading.Event = field(default_factory=threading.Event)

    def wait(self, control: RunControl) -> bool:
        """Wait, in the thread; return whether the result may be written into."""
        for _ in range(_N_WAITS):
            if self.is_locked.wait(_WAIT_SECONDS):
                return True
            if control.is_stopping:
                break
        return False


@dataclass(frozen=True, eq=False)
class LayerBegun(Event):
    """The first block of an image is there.

    Parameters
    ----------
    number : int
        Of the job.
    canvas : ResultCanvas
        Arrays to show.
    """

    number: int
    canvas: ResultCanvas


@dataclass(frozen=True)
class Progress(Event):
    """Tiles went through the network.

    Parameters
    ----------
    number : int
        Of the job.
    share : float
        Share of all jobs that is done, 0 to 1.
    seconds : float
        Since the first job began.
    voxels_per_second : float
        Of the results since then.
    """

    is_frequent: ClassVar[bool] = True

    number: int
    share: float
    seconds: float
    voxels_per_second: float = 0.0


@dataclass(frozen=True)
class LayerEnded(Event):
    """Nothing is painted into the arrays of a job any more.

    Parameters
    ----------
    number : int
        Of the job.
    is_complete : bool
        False when stopped or failed.
    fingerprint : str
        Of the labels.
    model_state : str
        State of the model file.
    """

    number: int
    is_complete: bool
    fingerprint: str
    model_state: str


@dataclass(frozen=True, eq=False)
class StoredResult:
    """A store to look at.

    Parameters
    ----------
    path : Path
        Of the store.
    levels : Levels
        Its resolutions.
    kind : str
        As of result layers.
    name : str
        Of its layer.
    """

    path: Path
    levels: Levels
    kind: Kind
    name: str


@dataclass(frozen=True, eq=False)
class StorePreviewed(Event):
    """A small part of what is looked at is known, before there is a store.

    Parameters
    ----------
    number : int
        Of the job.
    labels : ndarray
        Values.
    axes : str
        Of the labels, without channels.
    origin : dict of str to int
        First voxel, by axis.
    classes : ClassTable, optional
        What the values mean; ``None`` where these are objects and all else.
    """

    number: int
    labels: npt.NDArray[Any]
    axes: str
    origin: dict[str, int]
    classes: ClassTable | None


@dataclass(frozen=True, eq=False)
class StoreBegun(Event):
    """Stores are there, and blocks will be written into them.

    Parameters
    ----------
    number : int
        Of the job.
    results : tuple of StoredResult
        What fills in; what is between the network and the labels, where objects are
        made or small parts removed when all blocks are there.
    """

    number: int
    results: tuple[StoredResult, ...]


@dataclass(frozen=True)
class StoreGrown(Event):
    """A block is on the disk.

    Parameters
    ----------
    number : int
        Of the job.
    """

    is_frequent: ClassVar[bool] = True

    number: int


@dataclass(frozen=True, eq=False)
class StoreEnded(Event):
    """Nothing is written any more.

    Parameters
    ----------
    number : int
        Of the job.
    is_complete : bool
        False when stopped.
    results : tuple of StoredResult
        What there is to look at.
    """

    number: int
    is_complete: bool
    results: tuple[StoredResult, ...]


def named_error(error: SegtrainError, job: Job, n_jobs: int) -> SegtrainError:
    """Error that names the image of a job, where there are several."""
    if n_jobs == 1 or job.image.name in str(error):
        return error
    return type(error)(f"{job.image.name}: {error}")


@dataclass(frozen=True)
class Outcome:
    """How a prediction ended.

    Parameters
    ----------
    n_complete : int
        Jobs that were completed.
    seconds : float
        Time used, without loading the model.
    """

    n_complete: int
    seconds: float
