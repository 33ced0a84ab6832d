"""``evaluate`` takes what a script has at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.cli.helpers import disks
from tests.data.helpers import RecordingArray

from napari_segtrain import LabelImage, evaluate, read_labels, write_labels
from napari_segtrain.config import DataConfig
from napari_segtrain.data.samples import sample_dir
from napari_segtrain.errors import ConfigError, DataError
from napari_segtrain.workflows.evaluation import open_label_pairs


@pytest.fixture
def truth() -> np.ndarray:
    return disks((40, 40), 0)[1]


@pytest.fixture
def wrong(truth: np.ndarray) -> np.ndarray:
    changed = truth.copy()
    changed[:10] = 0
    return changed


def saved(folder: Path, *arrays: np.ndarray) -> Path:
    folder.mkdir()
    for number, array in enumerate(arrays):
        tifffile.imwrite(folder / f"{number}.tif", array, photometric="minisblack")
    return folder


def test_every_form_gives_the_same(truth, wrong, tmp_path: Path) -> None:
    a, b = saved(tmp_path / "a", truth), saved(tmp_path / "b", wrong)
    expected = evaluate(truth, wrong)
    assert 0 < expected.iou < 1
    assert 0 < expected.dice < 1
    forms = [
        (LabelImage(truth), LabelImage(wrong)),
        ([truth], [wrong]),
        (a / "0.tif", str(b / "0.tif")),
        (a, b),
        (a, wrong),
        (read_labels(a / "0.tif"), b),
        (truth, [b / "0.tif"]),
    ]
    for pair in forms:
        report = evaluate(*pair)
        assert report.iou == expected.iou
        assert report.total.scores == expected.total.scores


def test_several_are_scored_together(truth, wrong) -> None:
    report = evaluate([truth, truth], [truth, wrong])
    assert len(report.images) == 2
    assert report.images[0].scores.overall.iou == 1
    assert report.images[1].scores.overall.iou < report.iou < 1


def test_lists_have_one_length(truth) -> None:
    with pytest.raises(DataError, match="2 label images of ground truth but 1 segm"):
        evaluate([truth, truth], [truth])


def test_settings_say_what_values_mean(truth, wrong) -> None:
    names = evaluate(truth, wrong, classes={100: "gray"}).classes.names
    assert names == ("background", "gray", "class 255")
    assert evaluate(truth, wrong, ignore=(100, 255)).classes.names == ("background",)
    with pytest.raises(ConfigError, match="is ignore meant"):
        evaluate(truth, wrong, ignor=(1,))


def test_ids_are_objects() -> None:
    labels = read_labels(sample_dir("nuclei") / "test/label/002.tif")
    renumbered = np.where(labels.array[:] > 0, labels.array[:] + 500, 0)
    report = evaluate(labels, renumbered, objects=True)
    assert report.iou == 1
    assert [scores.f1 for scores in report.total.objects] == [1, 1]


def test_classes_of_a_prediction_name_those_of_the_truth(
    truth, wrong, tmp_path: Path
) -> None:
    table = evaluate(truth, wrong, classes={100: "gray"}).classes
    write_labels(tmp_path / "b.tif", LabelImage(wrong, classes=table))
    report = evaluate(truth, tmp_path / "b.tif")
    assert report.classes.names == ("background", "gray", "class 255")


def test_what_values_mean_is_looked_for_once(truth, wrong) -> None:
    arrays = RecordingArray(truth), RecordingArray(wrong)
    open_label_pairs(*map(LabelImage, arrays), DataConfig())
    assert [array.reads for array in arrays] == [[truth.size]] * 2


def test_nothing_to_compare_with_itself(truth, tmp_path: Path) -> None:
    folder = saved(tmp_path / "a", truth)
    with pytest.raises(DataError, match="are both"):
        evaluate(folder, folder)
