"""Which slices a report shows as the worst, and what is seen on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from tests.evaluation.helpers import class_table, label_image

from napari_segtrain import evaluate
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.image import Image
from napari_segtrain.workflows.worst_slices import worst_slices, write_worst_slices

TABLE = class_table("cell")


def film() -> tuple[np.ndarray, np.ndarray]:
    """Two times of four slices; each slice is found a bit less than the one before."""
    truth = np.zeros((2, 4, 40, 40), np.uint8)
    truth[..., 10:30, 10:30] = 1
    found = truth.copy()
    for number in range(8):
        found[number // 4, number % 4, :, 30 - 2 * number :] = 0
    return truth, found


def pair_of(truth: np.ndarray, found: np.ndarray) -> LabelPair:
    sides = (
        label_image(values, axes="TZYX", classes=TABLE) for values in (truth, found)
    )
    return LabelPair("film", *sides)


def test_the_worst_come_first() -> None:
    pair = pair_of(*film())
    report = evaluate(pair.truth, pair.prediction)
    worst = worst_slices(report.slices, 3)
    assert [(part.index["T"], part.z) for part in worst] == [(1, 3), (1, 2), (1, 1)]


def test_pictures_show_the_slices_they_are_named_after(tmp_path: Path) -> None:
    pair = pair_of(*film())
    report = evaluate(pair.truth, pair.prediction)
    gray = np.zeros((2, 4, 40, 40), np.uint8)
    image = Image(gray, "TZYX")
    written = write_worst_slices(tmp_path, pair, image, report, n=8)
    assert written[0].name == "T 1, Z 3, IoU 0.300.png"
    assert written[-1].name == "T 0, Z 0, IoU 1.000.png"
    missed = []
    for path in written:
        pixels = np.asarray(PIL.Image.open(path).convert("RGB"), int)
        errors = pixels[:400, -400:]
        missed.append(int((errors[..., 0] - errors[..., 1] > 80).sum()))
    assert missed == sorted(missed, reverse=True)
    assert missed[-1] < 100
    assert missed[0] > 20_000


def test_an_image_of_another_size_is_refused(tmp_path: Path) -> None:
    pair = pair_of(*film())
    report = evaluate(pair.truth, pair.prediction)
    for shape in ((2, 4, 40, 41), (1, 4, 40, 40)):
        with pytest.raises(DataError, match="the labels belong to"):
            write_worst_slices(tmp_path, pair, Image(np.zeros(shape), "TZYX"), report)
    assert not list(tmp_path.iterdir())


def test_slices_of_a_part_have_the_numbers_of_the_whole(tmp_path: Path) -> None:
    pair = pair_of(*film())
    report = evaluate(pair.truth, pair.prediction)
    image = Image(np.zeros((2, 4, 40, 40), np.uint8), "TZYX")
    (path,) = write_worst_slices(
        tmp_path, pair, image, report, n=1, origin={"T": 5, "Z": 20}
    )
    assert path.name == "T 6, Z 23, IoU 0.300.png"


def test_a_picture_has_no_number(tmp_path: Path) -> None:
    truth, found = (part[1, 3] for part in film())
    sides = (label_image(values, classes=TABLE) for values in (truth, found))
    pair = LabelPair("picture", *sides)
    report = evaluate(pair.truth, pair.prediction)
    image = Image(np.zeros((40, 40, 3), np.uint8), "YXC")
    (path,) = write_worst_slices(tmp_path, pair, image, report)
    assert path.name == "IoU 0.300.png"
