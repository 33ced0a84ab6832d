"""The table of bad input: each case ends in one clear sentence and leaves nothing.

A case prepares files in an empty folder and names the command, the exit code and words
that the sentence must hold: what is wrong, the value met, what to change.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml
from tests.cli.helpers import (
    SMALL,
    Outcome,
    disks,
    listing,
    segtrain_script,
    stop_at_once,
    write_set,
)

from napari_segtrain import load_model
from napari_segtrain.cli.app import main

CONFIG, DATA, MODEL, TRAINING, PREDICTION, OUTPUT, MEMORY = range(2, 9)
MAX_SENTENCES = 3
TRAIN = ("train", "--images", "image", "--labels", "label", "--output", "run")
QUICK = (*SMALL, "--iterations", "2", "--validation", "none")

Prepare = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A command that must fail, and how."""

    prepare: Prepare
    command: tuple[object, ...]
    code: int
    words: tuple[str, ...]


CASES: dict[str, Case] = {}


def case(*command: object, code: int, words: str) -> Callable[[Prepare], Prepare]:
    """Add a case; the decorated function prepares its files."""

    def add(prepare: Prepare) -> Prepare:
        name = prepare.__name__.replace("_", " ")
        key = " ".join((name, *map(str, command[-4:]))) if name in CASES else name
        assert key not in CASES
        CASES[key] = Case(prepare, command, code, tuple(words.split("|")))
        return prepare

    return add


def save(path: Path, array: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array, photometric="minisblack", **options)


def with_image(folder: Path, image: np.ndarray) -> None:
    """One pair whose labels are as they should be."""
    save(folder / "image/a.tif", image)
    save(folder / "label/a.tif", disks(image.shape[-2:], 0)[1])


def with_labels(folder: Path, labels: np.ndarray) -> None:
    """One pair whose image is as it should be."""
    save(folder / "image/a.tif", disks(labels.shape[:2], 0)[0])
    save(folder / "label/a.tif", labels)


# ---- labels


@case(*TRAIN, code=DATA, words="labels are empty|every voxel is 0|paint")
def empty_labels(folder: Path) -> None:
    with_labels(folder, np.zeros((64, 64), np.uint8))


@case(*TRAIN, code=DATA, words="one class only|value 1|label a second class")
def one_class_only(folder: Path) -> None:
    with_labels(folder, np.ones((64, 64), np.uint8))


@case(
    *TRAIN, "--zero", "unlabelled", code=DATA, words="one class only|value 1|background"
)
def strokes_of_one_class(folder: Path) -> None:
    labels = np.zeros((64, 64), np.uint8)
    labels[20:24] = 1
    with_labels(folder, labels)


@case(*TRAIN, "--ignore", "1,2", code=DATA, words="empty")
def everything_ignored(folder: Path) -> None:
    labels = np.ones((64, 64), np.uint8)
    labels[30:] = 2
    with_labels(folder, labels)


@case(*TRAIN, code=DATA, words="do not cover|(64, 60)|(64, 64)|same size")
def labels_of_another_shape(folder: Path) -> None:
    save(folder / "image/a.tif", disks((64, 64), 0)[0])
    save(folder / "label/a.tif", disks((64, 60), 0)[1])


@case(*TRAIN, code=DATA, words="label/a.tif|0.25|whole numbers|probabilities")
def labels_that_are_probabilities(folder: Path) -> None:
    with_labels(folder, np.full((64, 64), 0.25, np.float32))


@case(*TRAIN, code=DATA, words="label/a.tif|color|one whole number per voxel")
def labels_in_color(folder: Path) -> None:
    rng = np.random.default_rng(0)
    with_image(folder, disks((64, 64), 0)[0])
    colors = rng.integers(0, 255, (64, 64, 3), np.uint8)
    tifffile.imwrite(folder / "label/a.tif", colors, photometric="rgb")


@case(*TRAIN, "--target", "semantic", code=DATA, words="values|254|--target instances")
def too_many_classes(folder: Path) -> None:
    with_labels(folder, np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) // 8)


# ---- images


@case(*TRAIN, code=DATA, words="NaN or infinite|1 in the part|replace them")
def nan_voxels(folder: Path) -> None:
    image = disks((64, 64), 0)[0].astype(np.float32)
    image[10, 10] = np.nan
    with_image(folder, image)


@case(*TRAIN, code=DATA, words="NaN or infinite|64 in the part")
def infinite_voxels(folder: Path) -> None:
    image = disks((64, 64), 0)[0].astype(np.float32)
    image[10] = np.inf
    with_image(folder, image)


@case(*TRAIN, code=DATA, words="constant|value 7|check")
def constant_images(folder: Path) -> None:
    with_image(folder, np.full((64, 64), 7, np.uint8))


@case(*TRAIN, code=DATA, words="number of channels: [1, 2]|same channels")
def images_of_different_channels(folder: Path) -> None:
    write_set(folder, 2)
    two = np.stack([disks((64, 64), 1)[0]] * 2)
    save(folder / "image/cell_b.tif", two, metadata={"axes": "CYX"})


@case(*TRAIN, code=DATA, words="image/a.tif|cut off|again")
def a_damaged_image(folder: Path) -> None:
    with_image(folder, disks((64, 64), 0)[0])
    content = (folder / "image/a.tif").read_bytes()
    (folder / "image/a.tif").write_bytes(content[: len(content) // 2])


@case(*TRAIN, code=DATA, words="image/a.tif|cannot be read")
def a_text_called_tiff(folder: Path) -> None:
    with_image(folder, disks((64, 64), 0)[0])
    (folder / "image/a.tif").write_text("no image")


@case(*TRAIN, code=DATA, words="image/a.tif|empty (0 bytes)|again")
def an_empty_file(folder: Path) -> None:
    with_image(folder, disks((64, 64), 0)[0])
    (folder / "image/a.tif").write_bytes(b"")


@case(
    "train", "--images", "a.xyz", "--labels", "label",
    code=DATA, words="a.xyz|no known format|TIFF",
)  # fmt: skip
def an_unknown_format(folder: Path) -> None:
    with_image(folder, disks((64, 64), 0)[0])
    (folder / "a.xyz").write_text("?")


# ---- paths and pairs


@case(
    "train", "--images", "imag", "--labels", "label",
    code=DATA, words="imag does not exist|check the name",
)  # fmt: skip
@case(
    "train", "--images", "image", "--labels", "labels",
    code=DATA, words="labels does not exist|check the name",
)  # fmt: skip
@case("train", "--images", "image", code=DATA, words="--images and --labels")
@case("train", "--config", "no.yaml", code=CONFIG, words="no.yaml|cannot be read|init")
@case(*TRAIN, "--axes", "TYX", code=DATA, words="TYX|3 dimensions|shape (64, 64)")
@case(*TRAIN, "--axes", "YY", code=DATA, words="YY|different letters")
@case(*TRAIN, "--axes", "TY", code=DATA, words="TY|lack Y or X")
@case(*TRAIN, "--dims", "3", code=CONFIG, words="3D|flat|--dims 2|--stack")
@case(*TRAIN, "--stack", "--axes", "TYX", "--dims", "3", code=CONFIG, words="flat")
@case(*TRAIN, "--voxel-size", "1,2,x", code=CONFIG, words="1,2,x|--voxel-size 0.05")
@case(*TRAIN, "--voxel-size", "1", code=CONFIG, words="voxel_size|2 items|(1.0,)")
@case(*TRAIN, "--voxel-size", "0,1,1", code=CONFIG, words="voxel_size|greater than 0")
@case(*TRAIN, "--validation", "b", code=DATA, words="no sample b|samples are a")
@case(*TRAIN, "--validation", "a", code=DATA, words="leaves nothing to train on")
@case(*TRAIN, "--validation", "0.9", code=CONFIG, words="validation.fraction|0.25|0.9")
@case(*TRAIN, "--classes", "myelin", code=CONFIG, words="'myelin'|1=myelin,2=axon")
@case(*TRAIN, "--ignore", "x", code=CONFIG, words="'x'|--ignore 255")
@case(*TRAIN, "--time-budget", "1y", code=CONFIG, words="'1y'|60s, 5m or 1.5h")
@case(*TRAIN, "--time-budget", "-3s", code=CONFIG, words="-3s|longer than 0")
@case(*TRAIN, "--time-budget", "inf", code=CONFIG, words="inf")
@case(*TRAIN, "--epochs", "0", code=CONFIG, words="epochs|greater than or equal to 1")
@case(
    *TRAIN, "--epochs", "2", "--iterations", "5",
    code=CONFIG, words="more than once|epochs and iterations",
)  # fmt: skip
@case(*TRAIN, "--network", "resnet", code=CONFIG, words="network.name|unet|resnet")
@case(*TRAIN, "--seed", "-1", code=CONFIG, words="training.seed|-1")
@case(*TRAIN, "--set", "training.sed=3", code=CONFIG, words="sed|is seed meant?")
@case(*TRAIN, "--set", "training.seed", code=CONFIG, words="no setting|section.name=")
@case(*TRAIN, "--set", "training.seed=x", code=CONFIG, words="training.seed|integer|x")
@case(*TRAIN, "--set", "loss=[", code=CONFIG, words="loss=[|YAML")
@case(
    *TRAIN, "--set", "sampling.patch_size=[1,0,64]",
    code=CONFIG, words="sampling.patch_size|greater than 0",
)  # fmt: skip
@case(*TRAIN, "--continue-from", "old", code=MODEL, words="no model at old")
def a_good_pair(folder: Path) -> None:
    with_image(folder, disks((64, 64), 0)[0])


@case(*TRAIN, code=DATA, words="No image matches|a.tif|b.tif|same names")
def unpaired_files(folder: Path) -> None:
    for number, name in enumerate(("a", "c")):
        save(folder / f"image/{name}.tif", disks((64, 64), number)[0])
    for number, name in enumerate(("b", "d")):
        save(folder / f"label/{name}.tif", disks((64, 64), number)[1])


@case(*TRAIN, code=DATA, words="image|no image that can be read|notes.txt")
def a_folder_without_images(folder: Path) -> None:
    (folder / "image").mkdir()
    (folder / "image/notes.txt").write_text("?")
    save(folder / "label/a.tif", disks((64, 64), 0)[1])


@case(*TRAIN, "--dims", "3", code=DATA, words="slices of one volume|4 flat|--stack")
def slices_without_stack(folder: Path) -> None:
    image, labels = disks((4, 48, 48), 0)
    for z in range(4):
        save(folder / f"image/z{z}.tif", image[z])
        save(folder / f"label/z{z}.tif", labels[z])


@case(*TRAIN, "--stack", code=DATA, words="z1.tif|slices of a stack have one size")
def slices_of_different_sizes(folder: Path) -> None:
    for z in range(2):
        image, labels = disks((48, 48 + z), 0)
        save(folder / f"image/z{z}.tif", image)
        save(folder / f"label/z{z}.tif", labels)


@case("train", "--config", "c.yaml", code=CONFIG, words="c.yaml|not valid YAML")
def a_config_that_is_no_yaml(folder: Path) -> None:
    (folder / "c.yaml").write_text("data: [")


@case("train", "--config", "c.yaml", code=CONFIG, words="c.yaml|data.image|images")
def a_config_with_a_wrong_name(folder: Path) -> None:
    (folder / "c.yaml").write_text("data: {image: x}")


@case("train", "--config", "c.yaml", code=CONFIG, words="format version 99|update")
def a_config_of_a_newer_format(folder: Path) -> None:
    (folder / "c.yaml").write_text("format_version: 99")


# ---- outputs that exist


@case(*TRAIN, code=OUTPUT, words="run exists already|never overwritten|--output")
def a_run_that_exists(folder: Path) -> None:
    with_image(folder, disks((64, 64), 0)[0])
    (folder / "run").mkdir()
    (folder / "run/notes.txt").write_text("mine")


@case(*TRAIN, code=OUTPUT, words="run exists already|--output")
def a_run_that_is_a_file(folder: Path) -> None:
    with_image(folder, disks((64, 64), 0)[0])
    (folder / "run").write_text("mine")


@case("init", "c.yaml", code=OUTPUT, words="c.yaml exists already|--overwrite")
def a_config_that_exists(folder: Path) -> None:
    (folder / "c.yaml").write_text("mine")


@case("demo", "--output", ".", code=OUTPUT, words="model exists already|--overwrite")
def a_demo_that_exists(folder: Path) -> None:
    (folder / "model").mkdir()


@case("demo", "--sample", "cats", code=DATA, words="'cats'|axons, nuclei, embryo")
@case("info", "run", code=MODEL, words="no model at run")
@case("resume", "run", code=DATA, words="run|no run folder|plan.json")
@case("predict", "run", "a.tif", "-o", "s", code=MODEL, words="no model at run")
@case("evaluate", "a", "b", code=DATA, words="a does not exist")
def nothing(folder: Path) -> None:
    """An empty folder."""


# ---- evaluation


@case("evaluate", "a.tif", "b.tif", code=DATA, words="differ in size|64×64|64×60")
def segmentation_of_another_size(folder: Path) -> None:
    save(folder / "a.tif", disks((64, 64), 0)[1])
    save(folder / "b.tif", disks((64, 60), 0)[1])


@case(
    "evaluate", "a.tif", "b.tif", "--zero", "unlabelled", "-o", "report",
    code=DATA, words="no labelled voxel|unlabelled",
)  # fmt: skip
def truth_without_labels(folder: Path) -> None:
    save(folder / "a.tif", np.zeros((64, 64), np.uint8))
    save(folder / "b.tif", disks((64, 64), 0)[1])


@case("evaluate", "a", "b", code=DATA, words="matches|same names")
def unpaired_segmentations(folder: Path) -> None:
    labels = disks((64, 64), 0)[1]
    for name in ("a/1", "a/2", "b/3", "b/4"):
        save(folder / f"{name}.tif", labels)


@case(
    "evaluate", "a.tif", "b.tif", "-o", "report",
    code=OUTPUT, words="report/metrics.csv exists already|--overwrite",
)  # fmt: skip
def a_report_that_exists(folder: Path) -> None:
    save(folder / "a.tif", disks((64, 64), 0)[1])
    save(folder / "b.tif", disks((64, 64), 0)[1])
    (folder / "report").mkdir()
    (folder / "report/metrics.csv").write_text("mine")


@case(
    "evaluate", "a.tif", "b.tif", "-o", "report", "--images", "c.tif",
    code=DATA, words="c|(1, 32, 32)|(1, 64, 64)",
)  # fmt: skip
@case(
    "evaluate", "a.tif", "b.tif", "--images", "c.tif",
    code=OUTPUT, words="Overlays|--output",
)  # fmt: skip
@case(
    "evaluate", "a.tif", "b.tif", "-o", "c.tif",
    code=OUTPUT, words="c.tif is a file|folder",
)  # fmt: skip
def overlays_on_another_image(folder: Path) -> None:
    save(folder / "a.tif", disks((64, 64), 0)[1])
    save(folder / "b.tif", disks((64, 64), 0)[1])
    save(folder / "c.tif", disks((32, 32), 0)[0])


# ---- the table


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run of two channels."""
    folder = tmp_path_factory.mktemp("model")
    image, labels = disks((64, 64), 0)
    names = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    two = np.stack([image, image[::-1]])
    save(folder / "image.ome.tif", two, metadata=names)
    save(folder / "label.tif", labels)
    paths = ("--images", folder / "image.ome.tif", "--labels", folder / "label.tif")
    assert main([*map(str, ("train", *paths, "-o", folder / "run")), *QUICK]) == 0
    return folder / "run"


@pytest.fixture
def fails(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Outcome]:
    """Run a command that must fail in one sentence and change no file."""
    monkeypatch.chdir(tmp_path)

    def run(*command: object, code: int, words: tuple[str, ...]) -> Outcome:
        before = contents(tmp_path)
        capsys.readouterr()
        found = main([str(part) for part in command])
        said = capsys.readouterr()
        check_sentence(said.err, words)
        assert found == code
        assert contents(tmp_path) == before
        return Outcome(found, said.out, said.err)

    return run


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        name: (folder / name).read_bytes() if (folder / name).is_file() else None
        for name in listing(folder)
    }


def check_sentence(text: str, words: tuple[str, ...]) -> None:
    """One line, for a person, without the noise of a program."""
    assert text.startswith("segtrain: ")
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert len(text) < 500
    assert not {"Traceback", "Error:", "Exception", "errno"} & set(text.split())
    missing = [word for word in words if word not in text]
    assert not missing, text
    sentence = text.removeprefix("segtrain: ").rstrip()
    assert sentence[0].isupper() or sentence.split()[0].rstrip(":") in sentence
    assert sentence.count(". ") < MAX_SENTENCES


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name: str, fails, tmp_path: Path) -> None:
    bad = CASES[name]
    bad.prepare(tmp_path)
    fails(*bad.command, code=bad.code, words=bad.words)


# ---- models


def copied(model: Path, folder: Path) -> Path:
    """The model folder of the run, to be spoiled, and an image that fits."""
    shutil.copytree(model / "model", folder / "m")
    shutil.copy(model.parent / "image.ome.tif", folder / "a.ome.tif")
    return folder / "m"


def edit_spec(bundle: Path, **changes: Any) -> None:
    path = bundle / "model.yaml"
    values = yaml.safe_load(path.read_text("utf-8"))
    path.write_text(yaml.safe_dump(values | changes), "utf-8")


def newer_format(bundle: Path) -> None:
    edit_spec(bundle, format_version=99)


def no_weights(bundle: Path) -> None:
    (bundle / "weights.safetensors").unlink()


def cut_weights(bundle: Path) -> None:
    path = bundle / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def changed_weights(bundle: Path) -> None:
    path = bundle / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 255
    path.write_bytes(content)


def pickled_weights(bundle: Path) -> None:
    (bundle / "weights.safetensors").write_bytes(pickle.dumps({"a": 1}))


def huge_network(bundle: Path) -> None:
    spec = yaml.safe_load((bundle / "model.yaml").read_text("utf-8"))
    edit_spec(bundle, network={**spec["network"], "first_filters": 500, "depth": 8})


def other_network(bundle: Path) -> None:
    spec = yaml.safe_load((bundle / "model.yaml").read_text("utf-8"))
    edit_spec(bundle, network={**spec["network"], "first_filters": 4})


def unknown_network(bundle: Path) -> None:
    edit_spec(bundle, network={"name": "transformer"})


def broken_yaml(bundle: Path) -> None:
    (bundle / "model.yaml").write_text("network: [")


def python_in_yaml(bundle: Path) -> None:
    text = "network: !!python/object/apply:os.system ['touch hacked']"
    (bundle / "model.yaml").write_text(text)


def bomb_in_yaml(bundle: Path) -> None:
    rows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (bundle / "model.yaml").write_text("a0: &a0 [x]\n" + "\n".join(rows))


def no_description(bundle: Path) -> None:
    (bundle / "model.yaml").unlink()


def wrong_channels(bundle: Path) -> None:
    edit_spec(bundle, n_channels=-1)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (newer_format, "format version 99|update napari-segtrain"),
        (no_weights, "lacks its weights|weights.safetensors"),
        (cut_weights, "do not match their checksum|again"),
        (changed_weights, "do not match their checksum|again"),
        (pickled_weights, "do not match their checksum"),
        (huge_network, "do not fit"),
        (other_network, "do not fit"),
        (unknown_network, "network.name|unet"),
        (broken_yaml, "m|not YAML"),
        (python_in_yaml, "m|not YAML"),
        (bomb_in_yaml, "m"),
        (no_description, "m holds no model.yaml"),
        (wrong_channels, "n_channels"),
    ],
)
def test_a_spoiled_model(fails, model: Path, tmp_path: Path, spoil, words) -> None:
    bundle = copied(model, tmp_path)
    spoil(bundle)
    expected = tuple(words.split("|"))
    fails("info", "m", code=MODEL, words=expected)
    fails("predict", "m", "a.ome.tif", "-o", "s", code=MODEL, words=expected)


def zipped(bundle: Path, target: Path) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED)
    for path in bundle.iterdir():
        archive.write(path, path.name)
    return archive


def climbing_zip(bundle: Path, target: Path) -> None:
    with zipped(bundle, target) as archive:
        archive.writestr("../hacked.txt", "x")


def absolute_zip(bundle: Path, target: Path) -> None:
    with zipped(bundle, target) as archive:
        archive.writestr("/tmp/hacked.txt", "x")


def linked_zip(bundle: Path, target: Path) -> None:
    with zipped(bundle, target) as archive:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")


def crowded_zip(bundle: Path, target: Path) -> None:
    with zipped(bundle, target) as archive:
        for number in range(100):
            archive.writestr(f"{number}", "x")


def swollen_zip(bundle: Path, target: Path) -> None:
    (bundle / "model.yaml").write_text("a: " + "x" * (5 << 20))
    zipped(bundle, target).close()


def foreign_zip(bundle: Path, target: Path) -> None:  # noqa: ARG001
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps([1]))


def no_zip(bundle: Path, target: Path) -> None:  # noqa: ARG001
    target.write_bytes(pickle.dumps({"weights": [1]}))


def damaged_zip(bundle: Path, target: Path) -> None:
    zipped(bundle, target).close()
    content = bytearray(target.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 50] = bytes(50)
    target.write_bytes(content)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (climbing_zip, "not safe|'../hacked.txt'"),
        (absolute_zip, "not safe|'/tmp/hacked.txt'"),
        (linked_zip, "not safe|'link'"),
        (crowded_zip, "102 files|two"),
        (swollen_zip, "model.yaml is larger"),
        (foreign_zip, "no model.yaml"),
        (no_zip, "no readable model"),
        (damaged_zip, "model.zip"),
    ],
)
def test_a_hostile_zip(fails, model: Path, tmp_path: Path, write, words) -> None:
    write(copied(model, tmp_path), tmp_path / "model.zip")
    fails("info", "model.zip", code=MODEL, words=tuple(words.split("|")))


def test_a_damaged_checkpoint(fails, model: Path, tmp_path: Path) -> None:
    content = (model / "checkpoints/latest.safetensors").read_bytes()
    path = tmp_path / "c.safetensors"
    path.write_bytes(content[: len(content) // 2])
    fails("info", path, code=MODEL, words=("c.safetensors is damaged",))
    path.write_bytes((1 << 62).to_bytes(8, "little") + content[8:])
    fails("info", path, code=MODEL, words=("c.safetensors is damaged",))
    path.write_bytes(b"")
    fails("info", path, code=MODEL, words=("c.safetensors is damaged",))


# ---- images that do not fit a model


def test_a_channel_is_missing(fails, model: Path, tmp_path: Path) -> None:
    save(tmp_path / "a.tif", disks((64, 64), 0)[0])
    words = ("2 channels (DAPI, GFP)", "a has 1 channel", "same channels")
    fails("predict", model, "a.tif", "-o", "s", code=MODEL, words=words)


def test_the_second_image_does_not_fit(fails, model: Path, tmp_path: Path) -> None:
    """Nothing is written for the first."""
    shutil.copy(model.parent / "image.ome.tif", tmp_path / "a.ome.tif")
    save(tmp_path / "b.tif", disks((64, 64), 0)[0])
    words = ("2 channels", "b has 1 channel")
    fails("predict", model, ".", "-o", "s", code=MODEL, words=words)


def test_a_volume_is_needed(fails, tmp_path: Path, capsys) -> None:
    write_set(tmp_path / "train", 1, (16, 32, 32))
    given = ("--images", "train/image", "--labels", "train/label", "-o", "run")
    small = ("--set", "network.depth=1", "--set", "network.first_filters=4")
    length = ("--iterations", "1", "--dims", "3", "--validation", "none")
    batch = ("--set", "sampling.batch_size=1")
    assert main(["train", *given, *small, *length, *batch]) == 0
    capsys.readouterr()
    save(tmp_path / "a.tif", disks((64, 64), 0)[0])
    words = ("segments volumes", "axes YX", "2D model")
    fails("predict", "run", "a.tif", "-o", "s", code=MODEL, words=words)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--slices", "3"], DATA, "slices 3 to 4|which has 1"),
        (["--slices", "b:c"], CONFIG, "'b:c'|--slices 12"),
        (["--slices", "4:2"], CONFIG, "'4:2'|--slices 10:20"),
        (["--set", "overlap=2"], CONFIG, "overlap|less than 1|2"),
        (["--set", "tile_size=[1,0,5]"], CONFIG, "tile_size|greater than 0"),
        (["--set", "tiles=3"], CONFIG, "tiles|no such setting"),
        (["--axes", "YX"], DATA, "YX|3"),
        (["--stack"], DATA, "a.ome.tif|no folder"),
    ],
)
def test_wrong_options_of_a_prediction(
    fails, model: Path, tmp_path: Path, options, code, words
) -> None:
    shutil.copy(model.parent / "image.ome.tif", tmp_path / "a.ome.tif")
    given = ("predict", model, "a.ome.tif", "-o", "s", *options)
    fails(*given, code=code, words=tuple(words.split("|")))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_bad_voxels_in_a_prediction(fails, model, tmp_path: Path, value) -> None:
    image = np.zeros((2, 64, 64), np.float32) + disks((64, 64), 0)[0]
    image[1, 20, 30] = value
    save(tmp_path / "a.ome.tif", image, metadata={"axes": "CYX"})
    words = ("NaN or infinite", "replace them")
    fails("predict", model, "a.ome.tif", "-o", "s", code=DATA, words=words)


def test_outputs_of_a_prediction(fails, model: Path, tmp_path: Path) -> None:
    image = tmp_path / "a.ome.tif"
    shutil.copy(model.parent / "image.ome.tif", image)
    given = ("predict", model, "a.ome.tif")
    words = ("a.ome.tif is the image itself", "--output")
    fails(*given, "-o", ".", "--overwrite", code=OUTPUT, words=words)
    (tmp_path / "s").write_text("mine")
    fails(*given, "-o", "s", code=OUTPUT, words=("s is a file", "folder"))
    (tmp_path / "t/probabilities").mkdir(parents=True)
    (tmp_path / "t/probabilities/a.ome.tif").write_text("mine")
    words = ("t/probabilities/a.ome.tif exists already", "--overwrite")
    fails(*given, "-o", "t", "--probabilities", code=OUTPUT, words=words)
    (tmp_path / "u").mkdir()
    shutil.copy(image, tmp_path / "u/a.ome.tif")
    np.save(tmp_path / "u/a.npy", np.zeros((2, 64, 64), np.uint8))
    code = main(["predict", str(model), "u", "-o", "v", "--axes", "CYX"])
    assert code == 0
    assert {path.name for path in (tmp_path / "v").iterdir()} == {
        "a.tif",
        "a.ome.tif",
    }
    np.save(tmp_path / "u/b.npy", np.zeros((2, 64, 64), np.uint8))
    shutil.copy(image, tmp_path / "u/b.tif")
    words = ("b.npy", "b.tif", "both", "one by one")
    given = ("predict", model, "u", "-o", "w", "--axes", "CYX")
    fails(*given, code=OUTPUT, words=words)


# ---- runs that cannot be resumed or continued


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was interrupted, in a folder ``run`` beside its images."""
    write_set(tmp_path, 2)
    monkeypatch.chdir(tmp_path)
    return stop_at_once(tmp_path, tmp_path / "run")


def test_an_image_was_changed(fails, stopped: Path) -> None:
    path = stopped.parent / "image/cell_b.tif"
    save(path, disks((64, 64), 9)[0])
    words = ("cell_b.tif has changed", "new run")
    fails("resume", "run", code=DATA, words=words)
    path.unlink()
    words = ("cell_b.tif", "not there any more", "put it back")
    fails("resume", "run", code=DATA, words=words)


@pytest.mark.parametrize(
    ("name", "words", "code"),
    [
        ("plan.json", "plan.json is damaged", DATA),
        ("snapshot/samples.json", "snapshot|damaged", DATA),
        ("checkpoints/latest.safetensors", "latest.safetensors is damaged", MODEL),
    ],
)
def test_a_damaged_run(fails, stopped: Path, name: str, words: str, code: int) -> None:
    (stopped / name).write_text('{"a": ')
    fails("resume", "run", code=code, words=tuple(words.split("|")))


def test_a_run_of_a_newer_format(fails, stopped: Path) -> None:
    path = stopped / "plan.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 99}))
    fails("resume", "run", code=DATA, words=("format version 99", "update"))


def test_a_checkpoint_that_is_not_there(fails, stopped: Path) -> None:  # noqa: ARG001
    words = ("no checkpoint 'best'", "latest")
    fails("resume", "run", "--checkpoint", "best", code=MODEL, words=words)


def test_going_on_with_other_data(fails, model: Path, tmp_path: Path) -> None:
    write_set(tmp_path, 2)
    words = ("takes 2 channels", "have 1", "new model")
    given = (*TRAIN, "--continue-from", model)
    fails(*given, code=MODEL, words=words)
    for path in (tmp_path / "image").iterdir():
        save(path, np.stack([tifffile.imread(path)] * 2), metadata={"axes": "CYX"})
    for path in (tmp_path / "label").iterdir():
        save(path, (tifffile.imread(path) > 0).astype(np.uint8))
    words = ("(0, 100, 255)", "(0, 1)", "same classes")
    fails(*given, code=MODEL, words=words)


# ---- what must simply work


@pytest.mark.parametrize("shape", [(20, 13), (1, 7), (3, 20, 9), (2, 3, 200)])
def test_images_smaller_than_a_patch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    labels = np.zeros(shape, np.uint8)
    labels[..., shape[-1] // 2 :] = 1
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 50, shape)
        save(tmp_path / f"image/{number}.tif", (labels * 100 + noise).astype(np.uint8))
        save(tmp_path / f"label/{number}.tif", labels)
    network = ("--set", "network.depth=3", "--set", "network.first_filters=4")
    batch = ("--set", "sampling.batch_size=2", "--iterations", "2")
    assert main([*TRAIN, *network, *batch]) == 0
    assert main(["predict", "run", "image", "-o", "s"]) == 0
    assert tifffile.imread("s/0.tif").shape == shape
    assert main(["evaluate", "label", "s"]) == 0


# ---- a full disk


class FullDisk:
    """Lets a number of files be flushed, and then has no space left."""

    def __init__(self, n_files: int) -> None:
        self.n_left = n_files
        self._fsync = os.fsync

    def __call__(self, descriptor: int) -> None:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return
        if self.n_left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.n_left -= 1
        self._fsync(descriptor)


FULL = ("disk is full", "free some space")


@pytest.mark.parametrize("n_files", [0, 1, 2, 3])
def test_the_disk_is_full_at_the_start_of_a_run(
    fails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_files: int
) -> None:
    write_set(tmp_path, 2)
    monkeypatch.setattr(os, "fsync", FullDisk(n_files))
    fails(*TRAIN, *QUICK, code=OUTPUT, words=FULL)


@pytest.mark.parametrize("n_files", [5, 6, 7])
def test_the_disk_gets_full_in_a_run(
    capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_files: int
) -> None:
    write_set(tmp_path, 2)
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", FullDisk(n_files))
        assert main([*TRAIN, *QUICK]) == OUTPUT
    check_sentence(capsys.readouterr().err, FULL)
    assert load_model("run").spec.dims == 2
    assert not [name for name in listing(tmp_path) if ".tmp" in name]
    assert main(["resume", "run"]) == 0


def test_the_disk_is_full_in_a_prediction(
    fails, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(model.parent / "image.ome.tif", tmp_path / "a.ome.tif")
    (tmp_path / "s").mkdir()
    monkeypatch.setattr(os, "fsync", FullDisk(0))
    fails("predict", model, "a.ome.tif", "-o", "s", code=OUTPUT, words=FULL)


def test_the_disk_is_full_in_an_evaluation(
    fails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlays_on_another_image(tmp_path)
    (tmp_path / "report").mkdir()
    monkeypatch.setattr(os, "fsync", FullDisk(0))
    given = ("evaluate", "a.tif", "b.tif", "-o", "report")
    fails(*given, code=OUTPUT, words=FULL)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB, where the system allows to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    done = shutil.which("mount") and subprocess.run(mount, check=False)
    if not done or done.returncode:
        pytest.skip("no right to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system")
def test_a_disk_that_is_really_full(fails, small_disk: Path, tmp_path: Path) -> None:
    write_set(tmp_path, 2)
    given = (*TRAIN[:-1], small_disk / "run", *QUICK)
    fails(*given, "--set", "network.first_filters=32", code=OUTPUT, words=FULL)
    assert listing(small_disk) == set()


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX limits")
def test_files_may_not_grow(tmp_path: Path) -> None:
    """The limit that a system administrator sets for a user's files."""
    import resource

    write_set(tmp_path, 2)
    limit = (20_000, 20_000)
    done = subprocess.run(
        [segtrain_script(), *TRAIN, *QUICK],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    check_sentence(done.stderr, ("cannot be written", "File too large"))
    assert done.returncode == OUTPUT
    assert not (tmp_path / "run").exists()


# ---- out of memory

NO_MEMORY = "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"


def test_memory_runs_out_in_training(
    capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(NO_MEMORY)

    write_set(tmp_path, 2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.Tensor, "backward", fail)
    assert main([*TRAIN, *QUICK]) == TRAINING
    said = capsys.readouterr()
    words = ("one patch of (1, 48, 48) voxels", "smaller sampling.patch_size")
    check_sentence(said.err, words)
    assert "memory ran out; going on with 4 per batch" in said.out
    assert load_model("run").spec.dims == 2


def test_memory_runs_out_in_a_prediction(
    fails, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_segtrain.inference.runtime import OutOfMemory, TorchRuntime

    def fail(*_: object) -> None:
        raise OutOfMemory(NO_MEMORY)

    shutil.copy(model.parent / "image.ome.tif", tmp_path / "a.ome.tif")
    monkeypatch.setattr(TorchRuntime, "__call__", fail)
    words = ("Not even a tile of", "memory", "close other programs")
    given = ("predict", model, "a.ome.tif", "-o", "s")
    fails(*given, code=PREDICTION, words=words)


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS")
@pytest.mark.slow
def test_memory_really_runs_out(tmp_path: Path) -> None:
    import resource

    image, labels = (np.tile(part, (48, 48)) for part in disks((64, 64), 0))
    save(tmp_path / "image/a.tif", image)
    save(tmp_path / "label/a.tif", labels)
    options = ("--iterations", "2", "--validation", "none", "--set", "network.stem=1")
    huge = ("sampling.patch_size=[1,3072,3072]", "--set", "network.first_filters=128")
    limit = (6 << 30, 6 << 30)
    done = subprocess.run(
        [segtrain_script(), *TRAIN, *options, "--set", *huge],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    )
    check_sentence(done.stderr, ("emory", "sampling.patch_size"))
    assert done.returncode in {TRAINING, MEMORY}
    run = tmp_path / "run"
    assert not run.exists() or load_model(run).spec.dims == 2


def test_a_missing_device(fails, tmp_path: Path) -> None:
    import torch

    with_image(tmp_path, disks((64, 64), 0)[0])
    absent = "mps" if torch.cuda.is_available() else "cuda"
    words = (f"'{absent}'", "offers only", "cpu")
    fails(*TRAIN, "--device", absent, code=CONFIG, words=words)
