"""What a setting may change: the plan, the patches, the network, the loss, the steps.

An observer is given a config and the name of a data set, and returns something that
is equal exactly when the config has the same effect.
"""

from __future__ import annotations

import functools
import hashlib
import threading
import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from tests.data.helpers import RecordingArray
from tests.training.tasks import disks

from napari_segtrain.config import ExperimentConfig, NoValidation
from napari_segtrain.data.batches import Batch, iter_batches
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.facts import DatasetFacts, gather_facts
from napari_segtrain.data.files import make_sample
from napari_segtrain.data.storage import write_samples
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.networks import build_network
from napari_segtrain.training.checkpoint import Progress
from napari_segtrain.training.choice import choose_network
from napari_segtrain.training.clock import RunClock
from napari_segtrain.training.defaults import complete_network
from napari_segtrain.training.events import DecisionTuned, EpochEnd
from napari_segtrain.training.learner import Learner
from napari_segtrain.training.losses import build_loss
from napari_segtrain.training.machine import Machine, find_machine
from napari_segtrain.training.pacing import Pacer
from napari_segtrain.training.patches import (
    batch_source,
    patch_sampler,
    prepared_pairs,
)
from napari_segtrain.training.plan import TrainingPlan, resolve
from napari_segtrain.training.run_folder import RunFolder
from napari_segtrain.training.steps import Precision
from napari_segtrain.training.trainer import iter_training
from napari_segtrain.workflows.running import run as run_to_end
from napari_segtrain.workflows.training import open_training_data

Observer = Callable[[Any, str], Any]

MACHINE = Machine("cpu", "CPU", 8 << 30)
SHAPES = {
    "flat": (64, 64),
    "colors": (3, 64, 64),
    "volume": (16, 40, 40),
    "cubic": (16, 40, 40),
    "single": (96, 96),
}
_N_BATCHES = 8


class StillClock(RunClock):
    """A clock that is set by hand."""

    def __init__(self) -> None:
        super().__init__(0.0, 0.0)
        self._now = 0.0

    def set(self, seconds: float) -> None:
        self._now = seconds

    def seconds(self) -> float:
        return self._now


@functools.cache
def dataset(name: str) -> Dataset:
    """Three small images with labels, or one."""
    samples = []
    for seed in range(1 if name == "single" else 3):
        shape = SHAPES[name]
        image, labels = disks(shape[1:] if name == "colors" else shape, seed)
        axes = "ZYX"[-labels.ndim :]
        if name == "colors":
            image, axes = np.stack([image, image // 2, 255 - image]), "YX"
        size = (0.5, 0.5, 0.5) if name == "cubic" else None
        letters = "C" * (name == "colors") + axes
        picture = Image(image, letters, voxel_size=size, name=f"image {seed}")
        samples.append(make_sample(picture, LabelImage(labels, axes)))
    return Dataset(tuple(samples))


@functools.lru_cache(maxsize=64)
def _plan(text: str, data: str) -> TrainingPlan:
    config = ExperimentConfig.model_validate_json(text)
    return resolve(config, gather_facts(dataset(data), config), MACHINE)


def plan_of(config: ExperimentConfig, data: str) -> TrainingPlan:
    """What would be trained."""
    return _plan(config.model_dump_json(), data)


@functools.cache
def facts_of(data: str) -> DatasetFacts:
    """What is measured of a data set."""
    return gather_facts(dataset(data), ExperimentConfig(validation=NoValidation()))


def plan(config: ExperimentConfig, data: str) -> object:
    """Patches, batches, splits and so on, but not what merely repeats the config."""
    planned = plan_of(config, data)
    parts = {"config": ExperimentConfig(), "network": None, "augmentation": None}
    return repr(replace(planned, **parts, findings=()))


def network(config: ExperimentConfig, data: str) -> object:
    """Layers, and the shapes of their weights."""
    facts = facts_of(data)
    chosen, _ = choose_network(config.network, facts)
    with torch.device("meta"):
        built = build_network(
            complete_network(chosen, is_cpu=True),
            in_channels=facts.n_channels,
            n_classes=facts.classes.n_classes,
            seed=0,
        )
    shapes = {name: tuple(value.shape) for name, value in built.state_dict().items()}
    return repr(built), shapes


def output(config: ExperimentConfig, data: str) -> object:
    """Result of a network in training mode."""
    planned = plan_of(config, data)
    facts = planned.facts
    built = build_network(
        planned.network,
        in_channels=facts.n_channels,
        n_classes=facts.classes.n_classes,
        seed=config.training.seed,
    )
    size = planned.patch_size[planned.is_2d :]
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        image = torch.randn(2, planned.facts.n_channels, *size)
        return digest(built(image))


def loss(config: ExperimentConfig, data: str) -> object:
    """Loss of a prediction."""
    planned = plan_of(config, data)
    rng = torch.Generator().manual_seed(0)
    n_classes = planned.facts.classes.n_classes
    targets = torch.zeros(2, 24, 24, dtype=torch.uint8)
    targets[:, 2:9, 2:9] = targets[:, 2:9, 11:20] = targets[1, 12:, 5:8] = 1
    logits = torch.randn(2, n_classes, 24, 24, generator=rng)
    return float(build_loss(planned)(logits, targets))


def batches(config: ExperimentConfig, data: str) -> object:
    """Patches as the network is given them."""
    planned = plan_of(config, data)
    pairs, intensities = prepared_pairs(planned, dataset(data))
    sampler = patch_sampler(planned, pairs)
    source = batch_source(planned, pairs, sampler, intensities)
    made = [
        source.augment(source.make(number), torch.device("cpu"))
        for number in range(_N_BATCHES)
    ]
    return digest(*(part for batch in made for part in (batch.images, batch.targets)))


def steps(config: ExperimentConfig, data: str) -> object:
    """Weights, and their running mean, after a few steps."""
    planned = plan_of(config, data)
    learner = Learner(planned, dataset(data))
    for number in range(4):
        learner.step(learner.source.make(number), planned.learning_rate)
        learner.accept(number + 20)
    states = (learner.network_state, learner.average_state)
    return digest(*(value for state in states for value in state.values()))


def course(config: ExperimentConfig, data: str) -> object:
    """Rates, and the end, at some moments of a run."""
    planned = plan_of(config, data)
    clock = StillClock()
    pacer = Pacer(
        config.training.length,
        config.training.schedule,
        max_minutes=planned.max_minutes,
        iterations_per_epoch=planned.iterations_per_epoch,
        clock=clock,
    )
    pacer.speed.add(0.0, 0.1, 1000)
    found = []
    for number in range(0, 200, 5):
        clock.set(number)
        progress = Progress(
            iteration=number, epoch=number // 5, epochs_without_gain=number // 5
        )
        progress = pacer.count_drop(progress)
        anneal = pacer.begin_anneal(progress, is_finishing=False)
        is_over = pacer.is_over(progress)
        found.append((pacer.rate_factor(progress), anneal, is_over))
    return found


def run(config: ExperimentConfig, data: str) -> object:
    """Epochs, files and model of a whole run."""
    planned = plan_of(config, data)
    epochs = []

    def note(event: Any) -> None:
        if isinstance(event, EpochEnd):
            epochs.append((event.iteration, event.training_loss, event.score))
        if isinstance(event, DecisionTuned):
            epochs.append(event)

    with TemporaryDirectory() as folder:
        target = RunFolder.create(Path(folder) / "run")
        target.write_start(config, planned)
        work = iter_training(planned, dataset(data), target)
        result = run_to_end(work, note)
        kept = [*target.path.glob("*"), *target.path.glob("checkpoints/*")]
        files = sorted(path.name for path in kept)
        weights = (result.model_path / "weights.safetensors").read_bytes()
    return epochs, files, hashlib.sha256(weights).hexdigest()


def reads(config: ExperimentConfig, data: str) -> object:
    """Whether images are read again for each patch."""
    planned = plan_of(config, data)
    samples = []
    counts = []
    for sample in dataset(data).samples:
        array = RecordingArray(sample.image.array)
        counts.append(array.reads)
        samples.append(replace(sample, image=replace(sample.image, array=array)))
    source = Learner(planned, Dataset(tuple(samples))).source
    for number in range(3):
        source.make(number)
    return [len(made) for made in counts]


def loaders(config: ExperimentConfig, data: str) -> object:
    """Threads that make batches."""
    source = Learner(plan_of(config, data), dataset(data)).source
    names = set()

    def make(number: int) -> Batch:
        names.add(threading.current_thread().name.rpartition("_")[0])
        return source.make(number)

    made = iter_batches(
        SimpleNamespace(make=make), 0, n_threads=config.sampling.loader_threads
    )
    with closing(made):
        next(made)
    return names


def precision(config: ExperimentConfig, data: str) -> object:
    """Type that a GPU computes with."""
    is_mixed = plan_of(config, data).config.training.amp
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
        used = Precision(torch.device("cuda"), is_mixed=is_mixed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there may be no GPU
        return type(used.autocast()).__name__


def files(config: ExperimentConfig, _data: str) -> object:
    """What is read of the files that `write_files` has written."""
    paths = {"images": "images", "labels": "labels"}
    section = config.data
    if section.snapshot is None:
        missing = {k: Path(v) for k, v in paths.items() if not getattr(section, k)}
        section = section.model_copy(update=missing)
    config = config.model_copy(update={"data": section, "validation": NoValidation()})
    facts = gather_facts(open_training_data(config).dataset, config)
    return repr(replace(facts, fingerprints={}))


def write_files(folder: Path) -> None:
    """Write images, labels of three values, others, and samples of the viewer."""
    for name, seed in (("images", 0), ("others", 3)):
        for number in range(2):
            image, labels = disks((64, 64), seed + number)
            labels[:20] *= 2
            write(folder / name / f"{number}.tif", image)
            write(folder / "labels" / f"{number}.tif", labels) if not seed else None
            write(folder / "other labels" / f"{number}.tif", labels[::-1])
    write_samples(folder / "snapshot", dataset("flat"))


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array, photometric="minisblack")


def machine(config: ExperimentConfig, _data: str) -> object:
    """The device that is chosen."""
    return find_machine(config.training.device).device


def threads(config: ExperimentConfig, data: str) -> object:
    """Threads of torch."""
    before = torch.get_num_threads()
    Learner(plan_of(config, data), dataset(data))
    found = torch.get_num_threads()
    torch.set_num_threads(before)
    return found


def digest(*tensors: torch.Tensor) -> str:
    """Short text that differs when any number differs."""
    sums = hashlib.sha256()
    for tensor in tensors:
        sums.update(np.ascontiguousarray(tensor.detach().numpy()).tobytes())
    return sums.hexdigest()
