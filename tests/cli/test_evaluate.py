"""``segtrain evaluate``: a table for people, CSV and JSON for programs."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from tests.cli.helpers import SMALL, disks, iou, listing
from tests.io.helpers import write_ome_zarr

from napari_segtrain.data.samples import sample_dir


def write(folder: Path, **arrays: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        tifffile.imwrite(folder / f"{name}.tif", array, photometric="minisblack")
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_scores_are_right(segtrain, tmp_path: Path) -> None:
    truth, other = disks((60, 60), 0)[1], disks((60, 60), 1)[1]
    mixed = np.where(np.arange(60) < 30, truth, other)
    given = (write(tmp_path / "a", x=truth), write(tmp_path / "b", x=mixed))
    said = segtrain("evaluate", *given, "--output", tmp_path / "report")
    assert (said.code, said.err) == (0, "")
    rows = rows_of(tmp_path / "report/metrics.csv")
    found = {row["class"]: row["iou"] for row in rows if row["image"] == "all images"}
    expected = {value: iou(truth, mixed, value) for value in (0, 100, 255)}
    assert float(found["background"]) == pytest.approx(expected[0])
    assert float(found["class 100"]) == pytest.approx(expected[100])
    mean = (expected[100] + expected[255]) / 2
    assert float(found["overall"]) == pytest.approx(mean)
    report = json.loads((tmp_path / "report/metrics.json").read_text())
    assert report["total"]["overall"]["iou"] == pytest.approx(mean)
    assert f"{mean:.3f}" in said.out


def test_predictions_of_a_model(
    segtrain, data: Path, trained: Path, tmp_path: Path
) -> None:
    image = data / "test/image"
    assert segtrain("predict", trained, image, "--output", tmp_path / "s").code == 0
    given = (data / "test/label", tmp_path / "s", "--output", tmp_path / "report")
    said = segtrain("evaluate", *given, "--images", image)
    assert said.code == 0
    assert "gray" in said.out
    assert listing(tmp_path / "report") == {
        "metrics.csv", "metrics.json", "metrics_confusion.csv", "report.html",
        "overlays", "overlays/cell_d.png", "overlays/cell_e.png",
    }  # fmt: skip
    names = {row["image"] for row in rows_of(tmp_path / "report/metrics.csv")}
    assert names == {"cell_d", "cell_e", "all images"}


def test_without_output_nothing_is_written(
    segtrain, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    truth = data / "test/label"
    said = segtrain("evaluate", truth / "cell_d.tif", truth / "cell_d.tif")
    assert said.code == 3
    assert "both" in said.err
    copy = shutil.copytree(truth, tmp_path.with_name("copy"))
    said = segtrain("evaluate", truth, copy)
    assert (said.code, said.err) == (0, "")
    assert "100.0% of the labelled voxels are right" in said.out
    assert listing(tmp_path) == set()


def test_objects_of_the_nuclei(segtrain, tmp_path: Path) -> None:
    folder = sample_dir("nuclei") / "test/label"
    copy = shutil.copytree(folder, tmp_path / "copy")
    given = ("evaluate", folder, copy, "--objects", "--output", tmp_path / "r")
    said = segtrain(*given)
    assert said.code == 0
    rows = rows_of(tmp_path / "r/metrics_objects.csv")
    total = [row for row in rows if row["image"] == "all images"]
    assert [float(row["threshold"]) for row in total] == [0.5, 0.75]
    assert all(float(row["f1"]) == 1 for row in total)
    ids = sum(len(np.unique(tifffile.imread(p))) - 1 for p in folder.iterdir())
    assert int(total[0]["n_truth"]) == ids


def test_surfaces_centers_and_a_band_that_does_not_count(
    segtrain, tmp_path: Path
) -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[10:30, 10:30] = 1
    moved = np.roll(truth, 1, 1)
    given = (write(tmp_path / "a", x=truth), write(tmp_path / "b", x=moved))
    options = ("--boundaries", "--tolerance", 0.5, "--center-distance", 2, "--iou", 0.9)
    said = segtrain("evaluate", *given, *options, "--output", tmp_path / "r")
    assert (said.code, said.err) == (0, "")
    (surface,) = rows_of(tmp_path / "r/metrics_boundaries.csv")[-1:]
    assert (float(surface["hausdorff"]), surface["unit"]) == (1.0, "voxels")
    assert 0 < float(surface["boundary_f1"]) < 1
    (center,) = rows_of(tmp_path / "r/metrics_centers.csv")[-1:]
    assert (float(center["f1"]), float(center["mean_distance"])) == (1.0, 1.0)
    (objects,) = rows_of(tmp_path / "r/metrics_objects.csv")[-1:]
    assert (float(objects["threshold"]), float(objects["f1"])) == (0.9, 1.0)
    assert "100.0% of the labelled voxels" not in said.out
    lenient = segtrain("evaluate", *given, "--exclude-boundaries", 1)
    assert "100.0% of the labelled voxels" in lenient.out
    side = ("--exclude-boundaries", 1, "--exclude-side", "inside")
    inside = segtrain("evaluate", *given, *side)
    assert "100.0% of the labelled voxels" not in inside.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--boundaries", "--unit", "um"), "voxel size of a ground truth is not known"),
        (("--boundaries", "--tolerance", -1), "tolerance"),
        (("--exclude-boundaries", 11), "exclusion_width"),
        (("--iou", "0.5,2"), "iou_thresholds"),
        (("--iou", "half"), "--iou"),
        (("--center-distance", "nan"), "center_distance"),
    ],
)
def test_impossible_measures_are_refused(
    segtrain, tmp_path: Path, options: tuple[object, ...], said: str
) -> None:
    labels = np.eye(9, dtype=np.uint8)
    given = (write(tmp_path / "a", x=labels), write(tmp_path / "b", x=labels))
    ended = segtrain("evaluate", *given, *options)
    assert ended.code not in {0, 1}
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_probabilities_and_another_segmentation(
    segtrain, data: Path, trained: Path, tmp_path: Path
) -> None:
    image, truth = data / "test/image", data / "test/label"
    options = ("--probabilities", "--output", tmp_path / "s")
    assert segtrain("predict", trained, image, *options).code == 0
    given = ("evaluate", truth, tmp_path / "s")
    maps = ("--probabilities", tmp_path / "s/probabilities")
    best = shutil.copytree(truth, tmp_path / "best")
    said = segtrain(*given, *maps, "--against", best, "--output", tmp_path / "r")
    assert (said.code, said.err) == (0, "")
    assert "average precision" in said.out
    assert f"{best} is better: the IoU of {best} is +" in said.out
    rows = rows_of(tmp_path / "r/metrics_probabilities.csv")
    total = [row for row in rows if row["image"] == "all images"]
    assert {row["class"] for row in total} == {"gray", "class 255"}
    for row in total:
        best, half = float(row["iou_at_best"]), float(row["iou_at_half"])
        assert best >= half
        assert best >= float(row["held_out_iou"])
    assert rows[0]["held_out_iou"] == ""
    curves = rows_of(tmp_path / "r/metrics_curves.csv")
    assert len(curves) == 2 * 256
    report = json.loads((tmp_path / "r/metrics.json").read_text())
    assert report["total"]["probabilities"][0]["held_out_iou"] is not None
    same = segtrain(*given, "--against", tmp_path / "s")
    assert "No clear difference" in same.out


def test_reports_to_hand_on(
    segtrain, data: Path, trained: Path, tmp_path: Path
) -> None:
    truth = data / "test/label"
    copy = shutil.copytree(truth, tmp_path / "copy")
    given = ("evaluate", truth, copy, "--images", data / "test/image")
    options = ("--model", trained, "--pdf", "--excel", "--output", tmp_path / "r")
    said = segtrain(*given, *options)
    assert (said.code, said.err) == (0, "")
    page = (tmp_path / "r/report.html").read_text("utf-8")
    for text in ("cell_d, cell_e", trained.name, "Validation IoU", "Examples", "torch"):
        assert text in page
    assert page.count("data:image/png") == 4, "confusion, curves and two overlays"
    assert (tmp_path / "r/report.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "r/metrics.xlsx").read_bytes().startswith(b"PK")
    again = segtrain(*given, "--output", tmp_path / "r")
    assert again.code != 0
    assert "exists" in again.err
    (tmp_path / "r/metrics.csv").unlink()
    (tmp_path / "r/metrics.json").unlink()
    assert "report.html" in segtrain(*given, "--output", tmp_path / "r").err
    nowhere = segtrain("evaluate", truth, copy, "--pdf")
    assert nowhere.code != 0
    assert "report.pdf need a folder" in nowhere.err


def test_maps_that_do_not_fit_are_refused(segtrain, data: Path, tmp_path: Path) -> None:
    truth = data / "test/label"
    copy = shutil.copytree(truth, tmp_path / "copy")
    given = ("evaluate", truth, copy, "--probabilities")
    said = segtrain(*given, data / "train/image")
    assert said.code == 3
    assert "no probability map of cell_d" in said.err
    small = write(tmp_path / "small", cell_d=np.zeros((4, 4)), cell_e=np.zeros((4, 4)))
    said = segtrain(*given, small)
    assert said.code == 3
    assert "channels" in said.err or "not of the size" in said.err
    assert "Traceback" not in said.err


def test_nuclei_from_training_to_objects(segtrain, tmp_path: Path) -> None:
    nuclei = sample_dir("nuclei")
    train = ("--images", nuclei / "train/image", "--labels", nuclei / "train/label")
    options = (
        "--target", "instances", "--iterations", 30, "--validation", "none", *SMALL,
        "--output", tmp_path / "run",
    )  # fmt: skip
    assert segtrain("train", *train, *options).code == 0
    given = (tmp_path / "run", nuclei / "test/image", "--output", tmp_path / "s")
    assert segtrain("predict", *given).code == 0
    labels = tifffile.imread(tmp_path / "s/002.tif")
    assert labels.max() > 3
    said = segtrain("evaluate", nuclei / "test/label", tmp_path / "s", "--objects")
    assert said.code == 0
    assert "mean matched IoU" in said.out


def test_unlabelled_voxels_count_nowhere(segtrain, tmp_path: Path) -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[:20] = 1
    truth[:, 30:] = 255
    wrong = np.where(truth == 255, 1, truth).astype(np.uint8)
    given = (write(tmp_path / "a", x=truth), write(tmp_path / "b", x=wrong))
    said = segtrain("evaluate", *given, "--ignore", 255)
    assert "100.0% of the labelled voxels" in said.out
    counted = segtrain("evaluate", *given, "--ignore", "none")
    assert "100.0% of the labelled voxels" not in counted.out


def test_zero_and_classes(segtrain, tmp_path: Path) -> None:
    truth = np.zeros((2, 40, 40), np.uint8)
    truth[0, :20] = 1
    truth[0, 20:] = 2
    prediction = truth.copy()
    prediction[1] = 2
    given = (write(tmp_path / "a", x=truth), write(tmp_path / "b", x=prediction))
    options = ("--zero", "unlabelled", "--classes", "1=cell,2=background")
    said = segtrain("evaluate", *given, *options)
    assert "100.0% of the labelled voxels" in said.out
    assert "cell" in said.out
    dense = segtrain("evaluate", *given, "--zero", "dense", "--target", "semantic")
    assert "100.0% of the labelled voxels" not in dense.out


def test_a_stack_against_a_volume(segtrain, tmp_path: Path) -> None:
    labels = disks((3, 40, 40), 0)[1]
    (tmp_path / "a").mkdir()
    for z, plane in enumerate(labels):
        PIL.Image.fromarray(plane).save(tmp_path / "a" / f"{z}.png")
    write(tmp_path / "b", volume=labels)
    for segmentation in (tmp_path / "b", tmp_path / "b/volume.tif", tmp_path / "a"):
        said = segtrain("evaluate", tmp_path / "a", segmentation, "--stack")
        assert (said.code, said.err) == (0, "")
        assert "100.0% of the labelled voxels" in said.out


def test_stores(segtrain, tmp_path: Path) -> None:
    labels = disks((3, 40, 40), 0)[1]
    for name in ("a.ome.zarr", "b.ome.zarr"):
        write_ome_zarr(tmp_path / name, labels, "ZYX", (2.0, 1.0, 1.0))
    said = segtrain("evaluate", tmp_path / "a.ome.zarr", tmp_path / "b.ome.zarr")
    assert (said.code, said.err) == (0, "")
    assert "100.0% of the labelled voxels" in said.out


def test_files_without_a_partner_are_listed(segtrain, tmp_path: Path) -> None:
    labels = disks((40, 40), 0)[1]
    given = (write(tmp_path / "a", x=labels), write(tmp_path / "b", x=labels, y=labels))
    said = segtrain("evaluate", *given)
    assert said.code == 0
    assert said.err == f"! {tmp_path / 'b/y.tif'} has no partner and is left out\n"


def test_overwrite(segtrain, tmp_path: Path) -> None:
    labels = disks((40, 40), 0)[1]
    folders = (write(tmp_path / "a", x=labels), write(tmp_path / "b", x=labels))
    given = ("evaluate", *folders, "--output", tmp_path / "report")
    assert segtrain(*given).code == 0
    assert segtrain(*given).code == 7
    assert segtrain(*given, "--overwrite").code == 0


def test_only_a_region_and_a_mask_count(segtrain, tmp_path: Path) -> None:
    truth = np.zeros((4, 20, 20), np.uint8)
    truth[:, 4:10, 4:10] = 1
    found, mask = truth.copy(), np.ones((4, 20, 20), np.uint8)
    found[3], mask[:, 15:] = 1, 0
    given = (write(tmp_path / "a", x=truth), write(tmp_path / "b", x=found))
    limits = ("--region", "2:4,0:20,0:10", "--mask", write(tmp_path / "m", x=mask))
    more = ("--objects", "--zero", "dense", "--output", tmp_path / "r")
    said = segtrain("evaluate", *given, *limits, *more)
    assert (said.code, said.err) == (0, "")
    rows = rows_of(tmp_path / "r/metrics.csv")
    (only,) = (
        row for row in rows[-3:] if row["class"] not in ("background", "overall")
    )
    assert int(only["truth_voxels"]) == 2 * 36
    assert float(only["iou"]) == pytest.approx(2 * 36 / (36 + 15 * 10))
    assert "2:4,0:20,0:10 and" in (tmp_path / "r/report.html").read_text("utf-8")


def test_masks_of_several_images_go_by_name(segtrain, tmp_path: Path) -> None:
    one = np.zeros((20, 20), np.uint8)
    one[4:10, 4:10] = 1
    wrong, inside = one.copy(), np.ones_like(one)
    wrong[15:] = 1
    inside[15:] = 0
    given = (write(tmp_path / "a", x=one, y=one), write(tmp_path / "b", x=one, y=wrong))
    masks = write(tmp_path / "m", x=np.ones_like(one), y=inside)
    said = segtrain("evaluate", *given, "--mask", masks)
    assert (said.code, said.err) == (0, "")
    assert "100.0% of the labelled voxels" in said.out
    (masks / "y.tif").rename(masks / "z.tif")
    said = segtrain("evaluate", *given, "--mask", masks)
    assert said.code == 3
    assert "no mask of y" in said.err


def test_a_region_that_is_none(segtrain, data: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(data / "test/label", tmp_path / "copy")
    said = segtrain("evaluate", data / "test/label", copy, "--region", "1:2,a:b")
    assert said.code == 2
    assert "'1:2,a:b' is no region" in said.err
    said = segtrain("evaluate", data / "test/label", copy, "--region", "0:20,0:200")
    assert said.code == 3
    assert "0:200 along X is not in" in said.err


def test_a_mask_among_objects_is_remarked(segtrain, tmp_path: Path) -> None:
    truth = np.zeros((40, 40), np.uint16)
    for number in range(9):
        y, x = divmod(number, 3)
        truth[y * 12 + 2 : y * 12 + 9, x * 12 + 2 : x * 12 + 9] = number + 1
    given = (
        write(tmp_path / "a", x=truth),
        write(tmp_path / "b", x=truth.astype(bool) * np.uint8(255)),
    )
    said = segtrain("evaluate", *given, "--objects", "--target", "instances")
    assert said.code == 0
    assert "make objects of it first" in said.err


def test_specks_of_a_segmentation_are_no_strokes(segtrain, tmp_path: Path) -> None:
    truth = np.zeros((100, 120), np.uint8)
    truth[10:40, 10:50], truth[50:90, 60:110] = 1, 2
    rng = np.random.default_rng(0)
    found = np.where(rng.random(truth.shape) < 0.05, 0, truth).astype(np.uint8)
    given = (write(tmp_path / "a", x=truth), write(tmp_path / "b", x=found))
    segtrain("evaluate", *given, "--output", tmp_path / "r")
    rows = {row["class"]: row for row in rows_of(tmp_path / "r/metrics.csv")}
    expected = iou(truth, found, 0)
    assert float(rows["background"]["iou"]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tolerance", "3"], "--boundaries"),
        (["--exclude-side", "inside"], "--exclude-boundaries"),
        (["--model", "nowhere"], "nowhere"),
    ],
)
def test_options_that_would_do_nothing(
    segtrain, tmp_path: Path, options: list[str], words: str
) -> None:
    labels = disks((40, 40), 0)[1]
    given = (write(tmp_path / "a", x=labels), write(tmp_path / "b", x=labels))
    said = segtrain("evaluate", *given, *options)
    assert said.code != 0
    assert words in said.err
