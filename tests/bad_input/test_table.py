"""The table of bad input: each case ends in one clear sentence and leaves nothing.

A case prepares files in an empty folder and names the command, the exit code and words
that the sentence must hold: what is wrong, the value met, what to change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.bad_input.helpers import (
    CONFIG,
    DATA,
    MODEL,
    OUTPUT,
    TRAIN,
    save,
    with_image,
    with_labels,
)
from tests.cli.helpers import disks, write_set

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


# ---- networks and settings that do not go with the data, or with one another


def setting(*assignments: str, words: str) -> Callable[[Prepare], Prepare]:
    """Add a case of settings."""
    options = [part for text in assignments for part in ("--set", text)]
    return case(*TRAIN, "--iterations", "2", *options, code=CONFIG, words=words)


@setting("network.name=unet-2.5d", words="3D network|flat|--dims 2|--stack")
@setting("network.name=unet-2.5d", "network.dims=2", words="network.dims|3")
@setting(
    "network.depth=8", "network.first_filters=1",
    words="at least 1 × 1024 × 1024|1 × 64 × 64|smaller network.depth",
)  # fmt: skip
@setting("network.first_filters=0", words="first_filters|greater than or equal to 1|0")
@setting("network.dims=4", words="network.dims|2 or 3|4")
@setting("network.flat_levels=1", words="3D network|flat|--dims 2")
@setting(
    "network.flat_levels=1", "network.dims=2",
    words="flat_levels is 1|one slice|network.dims to 3",
)  # fmt: skip
@setting("network.size=3", words="network.size|no such setting")
@setting(
    "network.name=encoder-unet", "network.weights=no.safetensors",
    words="no.safetensors|cannot be read|.safetensors",
)  # fmt: skip
@setting("loss.class_weights={cell: 3}", words="'cell'|class 100|name one of these")
@setting("loss.class_weights=[1, 2, 3, 4]", words="4 weights|classes|one each")
@setting("loss.class_weights=[0, 0, 0]", words="class_weights|0|greater than 0")
@setting(
    "loss.dice_weight=0", "loss.cross_entropy_weight=0", words="loss|greater than 0"
)
@setting("augmentation.stack.jump=1", words="stack.jump|one slice|dims to 3")
@setting("augmentation.color.max_hue=30", words="max_hue|1 channels, not 3|auto")
@setting("normalization.percentiles=[9, 3]", words="percentiles|rise|9")
@setting(
    "normalization.method=zscore", "normalization.percentiles=[5, 95]",
    words="percentiles|percentile and local-contrast|zscore",
)  # fmt: skip
@setting("normalization.cell_size=64", words="cell_size|local-contrast|auto")
@setting(
    "normalization.match_histogram=true", "normalization.scope=image",
    words="match_histogram|training-set",
)  # fmt: skip
@setting("normalization.denoising=3", words="denoising|less than or equal to 2|3")
@setting(
    "training.keep_weights=best", "validation={kind: none}",
    words="Nothing is held out|keep_weights: last",
)  # fmt: skip
@setting(
    "training.schedule={kind: constant, warm_up: 50}", words="50 iterations|2|warm_up"
)
@setting("training.solver={kind: sgd, momentum: 0}", words="nesterov|momentum")
@setting("training.solver=sgd", "training.solver.momentum=0", words="nesterov|momentum")
@setting(
    "training.solver.momentum=0.95",
    words="solver.momentum|of auto|set training.solver.kind to|sgd|first|0.95",
)
@setting(
    "training.solver={momentum: 0.9}",
    words="solver.momentum|of auto|solver.kind to|sgd",
)
@setting("training.solver=lion", words="training.solver.kind|sgd|'lion'")
@setting("training.solver=3", words="training.solver: choose auto, |sgd|3")
@setting(
    "training.schedule.every_epochs=2",
    words="every_epochs|of one-cycle|training.schedule.kind to piecewise first",
)
@setting("network.name=unet-3d", "network.norm=none", words="norm|of unet-3d|to unet,")
@setting("network=3", words="network: choose unet, unet-2.5d|3")
@setting("loss=dise", words="loss.name|choose|tversky|'dise'")
@setting("loss.gamma=1", words="loss.gamma|of dice-cross-entropy|to focal first")
@setting("loss.class_weights=rare", words="class_weights.kind|effective-number|'rare'")
@setting("objects.target=depth", words="objects.target.kind|distances|'depth'")
@setting("validation=by-hand", words="validation.names|has to be given")
@setting("training=3", words="training: |settings of its own|training.length|3")
def a_good_image(folder: Path) -> None:
    with_image(folder, disks((64, 64), 0)[0])


@setting("network.dims=3", words="at least 8 slices|has 3|network.dims to 2")
@setting(
    "network.name=unet-2.5d", "network.slices=9",
    words="at least 9 slices|has 3|network.slices to fewer",
)  # fmt: skip
def a_stack_of_three_slices(folder: Path) -> None:
    image, labels = disks((3, 64, 64), 0)
    save(folder / "image/a.tif", image, metadata={"axes": "ZYX"})
    save(folder / "label/a.tif", labels, metadata={"axes": "ZYX"})


@case(*TRAIN, "--validation", "c", code=DATA, words="'class 7'|held out|another sample")
def a_class_that_is_only_held_out(folder: Path) -> None:
    for number, name in enumerate("abc"):
        image, labels = disks((64, 64), number)
        labels[10:30, 10:30] = 7 if name == "c" else 0
        save(folder / f"image/{name}.tif", image)
        save(folder / f"label/{name}.tif", labels)


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


@case(
    "train", "--config", "c.yaml",
    code=CONFIG, words="c.yaml|set training.solver.kind to|sgd|first",
)  # fmt: skip
def a_config_with_a_part_of_no_kind(folder: Path) -> None:
    (folder / "c.yaml").write_text("training: {solver: {momentum: 0.95}}")


@case(
    *TRAIN, "--config", "c.yaml", "--network", "unet-3d",
    code=CONFIG, words="network.name|unet-3d|unet: stem (2), norm (instance)|config",
)  # fmt: skip
@case(
    *TRAIN, "--config", "c.yaml", "--network", "dynunet", "--set", "network.stem=2",
    code=CONFIG, words="network.stem|of dynunet|network.name to unet or unet-2.5d",
)  # fmt: skip
def a_config_of_another_network(folder: Path) -> None:
    network = "{norm: instance, stem: 2, depth: 3}"
    (folder / "c.yaml").write_text(f"network: {network}")


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


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name: str, fails, tmp_path: Path) -> None:
    bad = CASES[name]
    bad.prepare(tmp_path)
    fails(*bad.command, code=bad.code, words=bad.words)
