"""What can be wrong with what is compared: one sentence, no crash, no wrong number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.bad_input.helpers import DATA, check_sentence
from tests.evaluation.helpers import class_table

from napari_segtrain import evaluate
from napari_segtrain.cli.app import main
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation.remarks import remarks
from napari_segtrain.image import LabelImage

CLASSES = class_table("myelin", "axon")


def blocks() -> np.ndarray:
    array = np.zeros((4, 20, 20), np.uint8)
    array[:, 2:7, 2:7], array[:, 10:17, 10:17] = 1, 2
    return array


def labels(array: np.ndarray, **options) -> LabelImage:
    return LabelImage(array, options.pop("axes", "ZYX"[-array.ndim :]), **options)


def items(axes: str) -> LabelImage:
    sizes = {"T": 2, "S": 3, "Y": 5, "X": 6}
    values = np.random.default_rng(0).integers(0, 3, [sizes[axis] for axis in axes])
    return labels(values.astype(np.uint8), axes=axes)


@dataclass(frozen=True)
class Refused:
    """Two sides that cannot be compared, and what the sentence must hold."""

    sides: Callable[[], tuple[LabelImage, LabelImage]]
    words: tuple[str, ...]


REFUSED = {
    "shape": Refused(
        lambda: (labels(blocks()), labels(blocks()[..., :-1])),
        ("differ in size", "4×20×20 (ZYX)", "4×20×19 (ZYX)", "same image"),
    ),
    "dimensions": Refused(
        lambda: (labels(blocks()), labels(blocks()[0])),
        ("differ in axes", "4×20×20 (ZYX)", "20×20 (YX)"),
    ),
    "axes": Refused(
        lambda: (labels(blocks()), labels(blocks(), axes="TYX")),
        ("differ in axes", "(ZYX)", "(TYX)"),
    ),
    "axes in another order": Refused(
        lambda: (items("TSYX"), items("STYX")),
        ("differ in axes", "2×3×5×6 (TSYX)", "3×2×5×6 (STYX)"),
    ),
    "voxel size": Refused(
        lambda: (
            labels(blocks(), voxel_size=(1, 0.5, 0.5)),
            labels(blocks(), voxel_size=(1, 0.52, 0.5)),
        ),
        ("differ in voxel size", "1 × 0.5 × 0.5 µm", "1 × 0.52 × 0.5 µm", "resolution"),
    ),
    "parts of labels": Refused(
        lambda: (labels(blocks()), labels(blocks() * 0.3)),
        ("0.3", "cannot be a label", "whole numbers"),
    ),
    "no number": Refused(
        lambda: (labels(np.where(blocks() == 2, np.nan, blocks())), labels(blocks())),
        ("nan", "cannot be a label"),
    ),
    "no voxel": Refused(
        lambda: (labels(blocks()[:0]), labels(blocks()[:0])),
        ("no voxel", "shape (0, 20, 20)"),
    ),
}


@pytest.mark.parametrize("is_all_measured", [False, True])
@pytest.mark.parametrize("name", REFUSED)
def test_one_sentence(name: str, is_all_measured: bool) -> None:
    case = REFUSED[name]
    with pytest.raises(DataError) as caught:
        evaluate(*case.sides(), objects=is_all_measured, boundaries=is_all_measured)
    text = str(caught.value)
    assert all(words in text for words in case.words), text
    assert "\n" not in text


@dataclass(frozen=True)
class Accepted:
    """Two sides that can be compared, voxels of each class, and what is said."""

    sides: Callable[[], tuple[LabelImage, LabelImage]]
    n_truth: dict[int, int]
    n_predicted: dict[int, int]
    ious: dict[int, float | None]
    said: tuple[str, ...] = field(default=())


BACKGROUND, FIRST, SECOND = 4 * (400 - 25 - 49), 4 * 25, 4 * 49
WHOLE = {0: BACKGROUND, 1: FIRST, 2: SECOND}
EMPTY = {0: 1600, 1: 0, 2: 0}
SHARE = BACKGROUND / 1600
ONES = dict.fromkeys(WHOLE, 1.0)


def sevens() -> np.ndarray:
    return np.where(blocks() == 2, 7, blocks()).astype(np.uint8)


ACCEPTED = {
    "voxel sizes as files round them": Accepted(
        lambda: (
            labels(blocks(), voxel_size=(1, 0.5, 0.5)),
            labels(blocks(), voxel_size=(1, 0.504, 0.5)),
        ),
        WHOLE,
        WHOLE,
        ONES,
    ),
    "voxel size of one side": Accepted(
        lambda: (labels(blocks(), voxel_size=(1, 0.5, 0.5)), labels(blocks())),
        WHOLE,
        WHOLE,
        ONES,
    ),
    "whole floats": Accepted(
        lambda: (labels(blocks()), labels(blocks().astype(np.float32))),
        WHOLE,
        WHOLE,
        ONES,
    ),
    "empty truth": Accepted(
        lambda: (labels(blocks() * 0), labels(blocks())),
        EMPTY,
        WHOLE,
        {0: SHARE, 1: 0.0, 2: 0.0},
        ("ground truth holds no class", "counted as wrong"),
    ),
    "empty segmentation": Accepted(
        lambda: (labels(blocks()), labels(blocks() * 0)),
        WHOLE,
        EMPTY,
        {0: SHARE, 1: 0.0, 2: 0.0},
        ("segmentation holds no class", "is missed"),
    ),
    "both empty": Accepted(
        lambda: (labels(blocks() * 0), labels(blocks() * 0)),
        {0: 1600},
        {0: 1600},
        {0: 1.0},
        ("Neither", "only background"),
    ),
    "value unknown to both": Accepted(
        lambda: (labels(blocks()), labels(sevens())),
        {**WHOLE, 7: 0},
        {0: BACKGROUND, 1: FIRST, 2: 0, 7: SECOND},
        {0: 1.0, 1: 1.0, 2: 0.0, 7: 0.0},
    ),
    "value unknown to the table of the truth": Accepted(
        lambda: (labels(sevens(), classes=CLASSES), labels(blocks(), classes=CLASSES)),
        {0: BACKGROUND, 1: FIRST, 2: 0, 7: SECOND},
        {**WHOLE, 7: 0},
        {0: 1.0, 1: 1.0, 2: 0.0, 7: 0.0},
    ),
    "value unknown to the table of the segmentation": Accepted(
        lambda: (labels(blocks(), classes=CLASSES), labels(sevens(), classes=CLASSES)),
        WHOLE,
        {0: BACKGROUND, 1: FIRST, 2: 0},
        {0: 1.0, 1: 1.0, 2: 0.0},
        (f"{SECOND} of 1,600", "classes do not have", "missed"),
    ),
}


@pytest.mark.parametrize("is_all_measured", [False, True])
@pytest.mark.parametrize("name", ACCEPTED)
def test_no_wrong_number(name: str, is_all_measured: bool) -> None:
    case = ACCEPTED[name]
    report = evaluate(
        *case.sides(), objects=is_all_measured, boundaries=is_all_measured
    )
    found = report.total.scores.classes
    assert {row.value: row.n_truth for row in found} == case.n_truth
    assert {row.value: row.n_predicted for row in found} == case.n_predicted
    assert {row.value: row.iou for row in found} == case.ious
    assert len(remarks(report)) == bool(case.said)
    text = " ".join(remarks(report))
    assert all(words in text for words in case.said), text
    if not is_all_measured:
        return
    n_objects = {
        row.class_name: (row.n_truth, row.n_predicted)
        for row in report.total.summaries or ()
    }
    for row in found[1:]:
        n_truth, n_predicted = n_objects[row.name]
        assert (n_truth > 0, n_predicted > 0) == (row.n_truth > 0, row.n_predicted > 0)


def test_axes_in_another_order_of_the_same_items() -> None:
    first = items("TSYX")
    turned = labels(first.array.transpose(0, 1, 3, 2), axes="TSXY")
    assert evaluate(first, turned).iou == 1


def write(folder: Path, name: str, array: np.ndarray, voxel_size=None) -> Path:
    options = {}
    if voxel_size is not None:
        z, y, x = voxel_size
        options["metadata"] = {"axes": "ZYX", "PhysicalSizeZ": z, "PhysicalSizeY": y}
        options["metadata"] |= {"PhysicalSizeX": x, "PhysicalSizeZUnit": "µm"}
    path = folder / name / "a.ome.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, array, photometric="minisblack", **options)
    return path


FILES = {
    "shape": (blocks(), blocks()[..., :-1], (1, 1, 1), ("differ in size", "4×20×19")),
    "voxel size": (blocks(), blocks(), (2, 1, 1), ("1 × 1 × 1 µm", "2 × 1 × 1 µm")),
    "floats": (
        blocks(),
        blocks() * np.float32(0.3),
        (1, 1, 1),
        ("0.3", "whole numbers"),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_the_command_says_it(name: str, tmp_path: Path, capsys) -> None:
    truth, prediction, voxel_size, words = FILES[name]
    sides = (
        write(tmp_path, "truth", truth, (1, 1, 1)),
        write(tmp_path, "found", prediction, voxel_size),
    )
    code = main(["evaluate", *map(str, sides), "--objects"])
    assert code == DATA
    check_sentence(capsys.readouterr().err, words)


def test_the_command_says_that_a_side_is_empty(tmp_path: Path, capsys) -> None:
    sides = (
        write(tmp_path, "truth", blocks()),
        write(tmp_path, "found", blocks() * np.uint8(0)),
    )
    assert main(["evaluate", *map(str, sides), "--objects", "--boundaries"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("! The segmentation holds no class")


def many_objects() -> tuple[np.ndarray, np.ndarray, int]:
    """Over 100,000 cubes, and a segmentation that lacks each tenth and trims another.

    Of ids 3, 13, ... nothing is found; 5, 15, ... lack a third of their voxels.
    """
    n = 47
    ids = np.arange(1, n**3 + 1).reshape(n, n, n)
    truth = np.zeros((4 * n,) * 3, np.uint32)
    for z, y, x in np.ndindex(3, 3, 3):
        truth[z::4, y::4, x::4] = ids
    found = np.where(truth % 10 == 3, 0, truth)
    middle = found[..., 1::4]
    middle[middle % 10 == 5] = 0
    return truth, found.astype(np.uint32), n**3


def test_a_hundred_thousand_objects() -> None:
    truth, found, n = many_objects()
    assert n > 100_000
    report = evaluate(truth, found, target="instances", objects=True, center_distance=1)
    n_missed = len(range(3, n + 1, 10))
    n_trimmed = len(range(5, n + 1, 10))
    at_half, at_three_quarters = report.total.objects
    assert (at_half.n_truth, at_half.n_predicted) == (n, n - n_missed)
    assert at_half.n_matched == n - n_missed
    assert at_three_quarters.n_matched == n - n_missed - n_trimmed
    n_voxels = n - n_missed - n_trimmed / 3
    assert at_half.sum_matched_iou == pytest.approx(n_voxels)
    (summary,) = report.total.summaries
    assert (summary.n_split, summary.n_merged) == (0, 0)
    (centers,) = report.total.centers
    assert (centers.n_matched, centers.mean_distance) == (n - n_missed, 0)
    assert report.n_objects == n


def test_slices_without_labels_are_remarked() -> None:
    truth = blocks()
    truth[2] = 0
    report = evaluate(truth, blocks(), target="semantic")
    (said,) = remarks(report)
    assert "1 of 4 slices have no label" in said
    dense = evaluate(truth, blocks(), target="semantic", zero="dense")
    assert remarks(dense) == []
    assert dense.iou < report.iou
