"""``segtrain objects``: label images, tables, a summary."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.cli.helpers import listing

from napari_segtrain.data.samples import sample_dir
from napari_segtrain.io import read_labels
from napari_segtrain.objects.geojson import read_geojson
from napari_segtrain.objects.imagej_rois import read_rois
from napari_segtrain.objects.outlines import fill_outlines


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def touching(folder: Path, name: str = "x") -> Path:
    """Two disks that touch, as a class map."""
    y, x = np.mgrid[:60, :90]
    first = (y - 30) ** 2 + (x - 30) ** 2 <= 196
    second = (y - 30) ** 2 + (x - 55) ** 2 <= 196
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.tif"
    tifffile.imwrite(path, (first | second).astype(np.uint8), photometric="minisblack")
    return path


def test_nuclei_are_counted_and_measured(segtrain, tmp_path: Path) -> None:
    folder = sample_dir("nuclei") / "test"
    said = segtrain(
        "objects", folder / "label", "--images", folder / "image",
        "--output", tmp_path / "o", "--density", "20", "--excel",
    )  # fmt: skip
    assert (said.code, said.err) == (0, "")
    assert listing(tmp_path / "o") == {
        "002_objects.ome.tif", "004_objects.ome.tif", "010_objects.ome.tif",
        "objects.csv", "objects_contacts.csv", "objects_class_contacts.csv",
        "objects_density.csv", "objects_summary.csv", "objects.xlsx",
    }  # fmt: skip
    truth = tifffile.imread(folder / "label/004.tif")
    image = tifffile.imread(folder / "image/004.tif")
    rows = [r for r in rows_of(tmp_path / "o/objects.csv") if r["image"] == "004"]
    assert {int(row["label"]) for row in rows} == set(np.unique(truth)) - {0}
    for row in rows:
        inside = truth == int(row["label"])
        assert int(row["voxels"]) == inside.sum()
        assert float(row["mean_image"]) == pytest.approx(image[inside].mean())
    written = read_labels(tmp_path / "o/004_objects.ome.tif")
    np.testing.assert_array_equal(written.items()[0].read()[0, 0], truth)


def test_a_method_separates_what_touches(segtrain, tmp_path: Path) -> None:
    path = touching(tmp_path / "l")
    plain = segtrain("objects", path, "--output", tmp_path / "a")
    assert plain.code == 0
    assert len(rows_of(tmp_path / "a/objects.csv")) == 1
    given = ("--method", "distances", "--set", "method.prominence=2")
    assert segtrain("objects", path, "--output", tmp_path / "b", *given).code == 0
    assert len(rows_of(tmp_path / "b/objects.csv")) == 2
    assert len(rows_of(tmp_path / "b/objects_contacts.csv")) == 1


def test_outlines_surfaces_and_regions(segtrain, tmp_path: Path) -> None:
    z, y, x = np.mgrid[:12, :40, :60]
    ball = (2 * (z - 6)) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 <= 81
    other = (2 * (z - 6)) ** 2 + (y - 20) ** 2 + (x - 45) ** 2 <= 81
    labels = (ball + 2 * other).astype(np.uint16) * 50
    tifffile.imwrite(tmp_path / "x.tif", labels, photometric="minisblack")
    halves = np.where(np.arange(60) < 32, 1, 2) * np.ones((40, 1), np.uint8)
    tifffile.imwrite(tmp_path / "r.tif", halves.astype(np.uint8))
    said = segtrain(
        "objects", tmp_path / "x.tif", "--target", "instances", "--output",
        tmp_path / "o", "--voxel-size", "0.4,0.2,0.2", "--outlines", "geojson",
        "--outlines", "imagej", "--surfaces", "--regions", tmp_path / "r.tif",
    )  # fmt: skip
    assert (said.code, said.err) == (0, "")
    assert listing(tmp_path / "o") >= {
        "x.geojson", "x_rois.zip", "x.ply", "x_objects.ome.tif", "objects_regions.csv",
    }  # fmt: skip
    for outlines in (
        read_geojson(tmp_path / "o/x.geojson"),
        read_rois(tmp_path / "o/x_rois.zip"),
    ):
        np.testing.assert_array_equal(fill_outlines(outlines, labels.shape), labels)
    counts = {
        (row["region"], row["class"]): row
        for row in rows_of(tmp_path / "o/objects_regions.csv")
    }
    first, second = (counts[str(region), "foreground"] for region in (1, 2))
    assert (first["n_objects"], second["n_objects"]) == ("1", "1")
    volume = 32 * 40 * 12 * 0.4 * 0.2 * 0.2
    assert float(first["density"]) == pytest.approx(1 / volume)
    assert first["unit"] == "um"


def test_nothing_is_said_to_be_nothing(segtrain, tmp_path: Path) -> None:
    path = touching(tmp_path / "l")
    given = ("--min-voxels", "5000", "--output", tmp_path / "o")
    said = segtrain("objects", path, *given)
    assert said.code == 0
    assert "no objects" in said.out
    assert listing(tmp_path / "o") == {"x_objects.ome.tif"}


def test_values_mean_the_same_in_all_files(segtrain, tmp_path: Path) -> None:
    few, many = np.zeros((2, 60, 60), np.uint16)
    few[5:9, 5:9], few[20:24, 20:24] = 1, 2
    for number in range(40):
        y, x = divmod(number, 8)
        many[y * 7 : y * 7 + 4, x * 7 : x * 7 + 4] = number + 1
    (tmp_path / "l").mkdir()
    for name, labels in (("few", few), ("many", many), ("none", 0 * few)):
        tifffile.imwrite(tmp_path / f"l/{name}.tif", labels, photometric="minisblack")
    said = segtrain("objects", tmp_path / "l", "--output", tmp_path / "o")
    assert said.code == 0
    assert "ids of objects" in said.out
    rows = rows_of(tmp_path / "o/objects.csv")
    assert len(rows) == 42
    assert len({row["class"] for row in rows}) == 1
    assert listing(tmp_path / "o") >= {"none_objects.ome.tif"}


def test_an_empty_image_does_not_end_the_others(segtrain, tmp_path: Path) -> None:
    path = touching(tmp_path / "l")
    empty = np.zeros((60, 90), np.uint8)
    tifffile.imwrite(tmp_path / "l/y.tif", empty, photometric="minisblack")
    assert segtrain("objects", path.parent, "--output", tmp_path / "o").code == 0
    assert {row["image"] for row in rows_of(tmp_path / "o/objects.csv")} == {"x"}
    assert (
        segtrain("objects", path.parent / "y.tif", "--output", tmp_path / "p").code == 0
    )


def test_old_tables_do_not_stay(segtrain, tmp_path: Path) -> None:
    path = touching(tmp_path / "l")
    given = ("objects", path, "--output", tmp_path / "o", "--overwrite")
    assert segtrain(*given, "--density", "10").code == 0
    assert "objects_density.csv" in listing(tmp_path / "o")
    assert segtrain(*given, "--min-voxels", "5000").code == 0
    assert listing(tmp_path / "o") == {"x_objects.ome.tif"}


def test_a_mask_is_no_probability_map(segtrain, tmp_path: Path) -> None:
    path = touching(tmp_path / "l")
    said = segtrain("objects", path, "--probabilities", "--output", tmp_path / "o")
    assert said.code != 0
    assert "is a mask" in said.err


def test_results_are_replaced_only_when_asked(segtrain, tmp_path: Path) -> None:
    path = touching(tmp_path / "l")
    given = ("objects", path, "--output", tmp_path / "o")
    assert segtrain(*given).code == 0
    said = segtrain(*given)
    assert said.code != 0
    assert "--overwrite" in said.err
    assert segtrain(*given, "--overwrite").code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "method.prominence=2"], ["prominence"]),
        (["--method", "distances", "--set", "method.prominence=-1"], ["prominence"]),
        (["--threshold", "3"], ["threshold", "3"]),
        (["--min-voxels", "9", "--max-voxels", "3"], ["max_voxels", "3", "9"]),
        (["--channel", "1"], ["--probabilities"]),
        (["--density", "0"], ["--density", "0"]),
        (["--images", "nowhere"], ["nowhere"]),
        (["--regions", "nowhere.tif"], ["nowhere.tif"]),
        (["--surfaces"], ["single slice"]),
    ],
)
def test_mistakes_are_explained(
    segtrain, tmp_path: Path, options: list[str], words: list[str]
) -> None:
    path = touching(tmp_path / "l")
    said = segtrain("objects", path, "--output", tmp_path / "o", *options)
    assert said.code != 0
    assert said.err.count("\n") == 1
    for word in words:
        assert word in said.err
    assert listing(tmp_path / "o") == set()
