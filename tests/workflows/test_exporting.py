"""An exported experiment trains the same model as the viewer would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.data.test_classes import table_of
from tests.training.tasks import disks, make_config

from napari_segtrain import load_model
from napari_segtrain.cli.app import main
from napari_segtrain.config import ExperimentConfig, HandValidation
from napari_segtrain.data.dataset import Dataset, Sample
from napari_segtrain.data.files import make_sample, open_dataset
from napari_segtrain.data.restricted import RegionMask, restrict
from napari_segtrain.errors import ConfigError, OutputError
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.io import read_image, read_labels
from napari_segtrain.workflows.exporting import export_experiment
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.settings import load_config
from napari_segtrain.workflows.training import iter_training_run

CONFIG = make_config(
    network={"depth": 1, "first_filters": 4},
    sampling={"patch_size": [1, 32, 32], "batch_size": 2},
    training={"length": {"kind": "iterations", "iterations": 4}, "device": "cpu"},
)


def image_of(shape, seed=0, name="cell"):
    pixels, labels = disks(shape, seed)
    return Image(pixels, "ZYX"[-len(shape) :], name=name), labels


def with_region() -> Dataset:
    image, labels = image_of((90, 100))
    plane = np.zeros((90, 100), bool)
    plane[5:70, 20:90] = True
    region = RegionMask({(): plane})
    truth = LabelImage(labels, "YX")
    return Dataset(
        (restrict(image, truth, offset={}, region=region, margin=(0, 8, 8)),)
    )


def cropped_box() -> Dataset:
    image, labels = image_of((90, 100))
    pixels = np.array(image.array)
    pixels[:, 60:] //= 4
    other, truth = image_of((80, 80), 1, "other")
    part = restrict(
        replace(image, array=pixels),
        LabelImage(labels[10:70, 5:60], "YX"),
        offset={"Y": 10, "X": 5},
        margin=(0, 9, 9),
    )
    return Dataset((part, Sample(other, LabelImage(truth, "YX"))))


def painted_background() -> Dataset:
    image, labels = image_of((90, 100))
    strokes = np.where(np.arange(100) % 20 < 12, labels + 1, 0).astype(np.uint8)
    strokes[:9] = 3
    table = table_of(
        "unlabelled", v1="background outside", v2="class disk", v3="background"
    )
    return Dataset((Sample(image, LabelImage(strokes, "YX", classes=table)),))


def two_samples() -> Dataset:
    pairs = [image_of((80, 90), seed, f"cell {seed}") for seed in range(2)]
    return Dataset(tuple(Sample(i, LabelImage(t, "YX")) for i, t in pairs))


def frame_of_a_movie() -> Dataset:
    pixels, labels = disks((5, 80, 80), 0)
    movie = Image(pixels, "TYX", name="movie")
    frames = [
        restrict(movie, LabelImage(labels[t], "YX"), offset={"T": t}) for t in (1, 3)
    ]
    return Dataset(tuple(frames))


def volume_with_boxes() -> Dataset:
    image, labels = image_of((20, 70, 70))
    plane = np.zeros((70, 70), bool)
    plane[10:60, 10:60] = True
    region = RegionMask({(z,): plane for z in (4, 9, 10)}, "Z")
    truth = LabelImage(labels, "ZYX")
    return Dataset(
        (restrict(image, truth, offset={}, region=region, margin=(2, 5, 5)),)
    )


CASES = [
    with_region,
    cropped_box,
    painted_background,
    two_samples,
    frame_of_a_movie,
    volume_with_boxes,
]


def weights(run_dir: Path) -> bytes:
    return (run_dir / "model/weights.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("make", CASES)
@pytest.mark.parametrize("scope", ["image", "training-set"])
def test_the_command_trains_the_same_model(
    make: Callable[[], Dataset], scope: str, tmp_path: Path
) -> None:
    rule = CONFIG.normalization.model_copy(update={"scope": scope})
    config = CONFIG.model_copy(update={"normalization": rule})
    path = export_experiment(make(), config, tmp_path / "mine.yaml")
    run(iter_training_run(make(), config, tmp_path / "viewer"))
    command = ["train", "--config", str(path), "--output", str(tmp_path / "command")]
    assert main(command) == 0
    assert weights(tmp_path / "viewer") == weights(tmp_path / "command")
    first, second = (load_model(tmp_path / n).spec for n in ("viewer", "command"))
    assert first.classes == second.classes
    assert first.normalization == second.normalization
    assert first.scores == second.scores


def test_an_exported_experiment_can_be_moved(tmp_path: Path) -> None:
    export_experiment(two_samples(), CONFIG, tmp_path / "there/mine")
    assert {p.name for p in (tmp_path / "there").iterdir()} == {
        "mine.yaml",
        "mine-data",
    }
    (tmp_path / "there").rename(tmp_path / "elsewhere")
    config = load_config(tmp_path / "elsewhere/mine.yaml")
    assert config.data.snapshot == tmp_path / "elsewhere/mine-data"
    assert len(open_dataset(config.data).dataset.samples) == 2


def files(folder: Path, n: int = 1) -> Path:
    for kind in ("image", "label"):
        (folder / kind).mkdir(parents=True)
    for seed in range(n):
        pixels, labels = disks((60, 60), seed)
        tifffile.imwrite(folder / "image" / f"{seed}.tif", pixels)
        tifffile.imwrite(folder / "label" / f"{seed}.tif", labels)
    return folder


def opened(folder: Path, n: int = 1) -> list[Sample]:
    return [
        make_sample(
            read_image(folder / f"image/{seed}.tif"),
            read_labels(folder / f"label/{seed}.tif"),
        )
        for seed in range(n)
    ]


@pytest.mark.parametrize("n", [1, 3])
def test_files_are_named_and_not_copied(tmp_path: Path, n: int) -> None:
    samples = opened(files(tmp_path / "set", n), n)
    path = export_experiment(Dataset(tuple(samples)), CONFIG, tmp_path / "mine.yaml")
    data = load_config(path).data
    end = "image/0.tif" if n == 1 else "image"
    assert data.images == tmp_path / "set" / end
    assert data.snapshot is None
    assert not (tmp_path / "mine-data").exists()


def painted(sample: Sample) -> Sample:
    labels = np.array(sample.labels.array)
    labels[3] = 1
    return replace(sample, labels=replace(sample.labels, array=labels))


def edited(sample: Sample) -> Sample:
    pixels = np.array(sample.image.array) // 2
    return replace(sample, image=replace(sample.image, array=pixels))


def named(sample: Sample) -> Sample:
    table = table_of("dense", v1="class disk")
    return replace(sample, labels=sample.labels.with_classes(table))


def sized(sample: Sample) -> Sample:
    return replace(sample, image=replace(sample.image, voxel_size=(0.5, 0.5)))


@pytest.mark.parametrize("change", [painted, edited, named, sized])
def test_files_that_say_something_else_are_not_enough(tmp_path: Path, change) -> None:
    (sample,) = opened(files(tmp_path / "set"))
    sample = change(sample)
    path = export_experiment(Dataset((sample,)), CONFIG, tmp_path / "mine.yaml")
    data = load_config(path).data
    assert (data.images, data.labels) == (None, None)
    (back,) = open_dataset(data).dataset.samples
    np.testing.assert_array_equal(back.labels.array[...], sample.labels.array)
    np.testing.assert_array_equal(back.image.array[...], sample.image.array[...])
    assert back.labels.classes == sample.labels.classes
    assert back.image.voxel_size == sample.image.voxel_size


def test_some_files_of_a_folder_are_saved(tmp_path: Path) -> None:
    samples = opened(files(tmp_path / "set", 3), 2)
    path = export_experiment(Dataset(tuple(samples)), CONFIG, tmp_path / "mine.yaml")
    data = load_config(path).data
    assert len(open_dataset(data).dataset.samples) == 2
    assert data.snapshot == tmp_path / "mine-data"


def test_an_export_can_be_repeated_but_takes_no_folder_of_others(
    tmp_path: Path,
) -> None:
    export_experiment(two_samples(), CONFIG, tmp_path / "mine.yaml")
    path = export_experiment(with_region(), CONFIG, tmp_path / "mine.yaml")
    assert len(open_dataset(load_config(path).data).dataset.samples) == 1
    (tmp_path / "other-data").mkdir()
    (tmp_path / "other-data/thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"other-data.*something else"):
        export_experiment(two_samples(), CONFIG, tmp_path / "other.yaml")
    assert (tmp_path / "other-data/thesis.txt").exists()
    assert not (tmp_path / "other.yaml").exists()


def test_samples_held_out_by_name(tmp_path: Path) -> None:
    held = HandValidation(names=("cell 1",))
    config = CONFIG.model_copy(update={"validation": held})
    path = export_experiment(two_samples(), config, tmp_path / "mine.yaml")
    assert main(["train", "--config", str(path), "--dry-run"]) == 0


def test_saved_samples_and_files_are_one_too_many(tmp_path: Path) -> None:
    path = export_experiment(two_samples(), ExperimentConfig(), tmp_path / "mine.yaml")
    data = load_config(path).data.model_copy(update={"images": tmp_path})
    with pytest.raises(ConfigError, match=r"data\.snapshot.*and images are given"):
        open_dataset(data)
