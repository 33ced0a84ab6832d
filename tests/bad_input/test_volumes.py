"""Volumes: what is wrong is said in a sentence, before the first block if it is known.

A case prepares files, names the command, the exit code and words of the sentence, and
must leave no file behind, unless it is about what only a later block shows.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from tests.bad_input.helpers import (
    CONFIG,
    DATA,
    MODEL,
    OUTPUT,
    check_sentence,
    contents,
    save,
)
from tests.bad_input.test_models import edit_spec
from tests.cli.helpers import disks

from napari_segtrain import predict_volume, read_labels
from napari_segtrain.cli.app import main
from napari_segtrain.errors import SegtrainError
from napari_segtrain.inference.volume.block_work import BlockWork

BLOCKS = ("--set", "volume.block_size=[1,32,32]")
PREDICT = ("predict", "run", "cells.ome.tif", "-o", "out", "--format", "zarr", *BLOCKS)


def stack(shape=(4, 64, 70)) -> np.ndarray:
    return np.stack([disks(shape[1:], seed)[0] for seed in range(shape[0])])


def write_image(folder: Path, image: np.ndarray, axes: str = "ZYX") -> None:
    save(folder / "cells.ome.tif", image, metadata={"axes": axes})


def as_it_should_be(folder: Path) -> None:
    write_image(folder, stack())


def two_channels(folder: Path) -> None:
    write_image(folder, np.stack([stack()] * 2, axis=1), "ZCYX")


def newer_model(folder: Path) -> None:
    as_it_should_be(folder)
    edit_spec(folder / "run", format_version=99)


def file_in_place_of_the_folder(folder: Path) -> None:
    as_it_should_be(folder)
    (folder / "out").write_text("mine")


def foreign_store(folder: Path) -> None:
    as_it_should_be(folder)
    zarr.create_array(str(folder / "out/cells.ome.zarr"), shape=(3,), dtype="u1")


def foreign_maps(folder: Path) -> None:
    as_it_should_be(folder)
    path = folder / "out/probabilities/cells.ome.zarr"
    zarr.create_array(str(path), shape=(3,), dtype="u1")


def file_in_place_of_a_store(folder: Path) -> None:
    as_it_should_be(folder)
    (folder / "out").mkdir()
    (folder / "out/cells.ome.zarr").write_text("mine")


def mask_of(*shape: int) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        as_it_should_be(folder)
        save(folder / "mask.tif", np.ones(shape, np.uint8))

    return write


def text_as_mask(folder: Path) -> None:
    as_it_should_be(folder)
    (folder / "mask.tif").write_text("no mask")


def empty_folder(folder: Path) -> None:
    """No image at all."""


CASES = [
    (two_channels, (), MODEL, "1 channel|cells has 2 channels"),
    (newer_model, (), MODEL, "format version 99|update napari-segtrain"),
    (empty_folder, (), DATA, "cells.ome.tif|does not exist"),
    (foreign_store, (), OUTPUT, "cells.ome.zarr exists already|another name"),
    (foreign_store, ("--overwrite",), OUTPUT, "cells.ome.zarr exists already"),
    (foreign_maps, ("--probabilities",), OUTPUT, "probabilities/cells.ome.zarr exists"),
    (file_in_place_of_the_folder, (), OUTPUT, "out is a file|folder"),
    (file_in_place_of_a_store, (), OUTPUT, "cells.ome.zarr exists already"),
    (mask_of(5, 64, 70), ("--mask", "mask.tif"), DATA, "mask|(5, 64, 70)|(4, 64, 70)"),
    (mask_of(4, 70, 64), ("--mask", "mask.tif"), DATA, "(4, 70, 64)|as large or sm"),
    (text_as_mask, ("--mask", "mask.tif"), DATA, "mask.tif"),
    (as_it_should_be, ("--mask", "none.tif"), DATA, "none.tif|does not exist"),
    (as_it_should_be, ("--region", "0:5,0:8,0:8"), DATA, "0:5 along Z|from 0 to 4"),
    (as_it_should_be, ("--region", "3:3,0:8,0:8"), DATA, "3:3 along Z"),
    (as_it_should_be, ("--region", "0:1,0:8"), DATA, "0:1,0:8|for each of Z, Y"),
    (as_it_should_be, ("--region", "1:,0:8,0:8"), CONFIG, "'1:,0:8,0:8'|--region"),
    (as_it_should_be, ("--set", "volume.downsampling=[9,1,1]"), CONFIG, "by 9|Z"),
    (as_it_should_be, ("--set", "volume.block_size=[0,8,8]"), CONFIG, "block_size"),
    (as_it_should_be, ("--set", "tile_size=[1,4,4]", "--set", "halo=[0,8,8]"), CONFIG,
     "no room|tile_size"),
    (as_it_should_be, ("--device", "mps"), CONFIG, "'mps'|cpu"),
]  # fmt: skip


@pytest.fixture
def folder(gray_model: Path, tmp_path: Path) -> Path:
    """A folder with a model."""
    shutil.copytree(gray_model / "model", tmp_path / "run")
    return tmp_path


PREVIEWED = [
    case  # a preview looks at no output but its folder
    for case in CASES
    if case[2] != OUTPUT or case[0] is file_in_place_of_the_folder
]


@pytest.mark.parametrize(
    ("prepare", "options", "code", "words", "preview"),
    [(*case, ()) for case in CASES] + [(*case, ("--preview",)) for case in PREVIEWED],
)
def test_what_is_known_before_the_first_block(
    fails, folder: Path, prepare, options, code, words, preview
) -> None:
    prepare(folder)
    command = (*PREDICT, *options, *preview)
    fails(*command, code=code, words=tuple(words.split("|")))


def test_a_bad_image_of_several_ends_all_before_the_first(fails, folder: Path) -> None:
    """Also where the region, or the mask, fits the others only."""
    for name, n in (("a", 4), ("b", 3)):
        save(
            folder / f"images/{name}.ome.tif",
            stack((n, 64, 64)),
            metadata={"axes": "ZYX"},
        )
    command = ("predict", "run", "images", "-o", "out", *BLOCKS)
    words = ("0:4 along Z", "b, which has 3")
    fails(*command, "--region", "0:4,0:8,0:8", code=DATA, words=words)
    save(folder / "mask.tif", np.ones((4, 64, 64), np.uint8))
    words = ("mask", "(3, 64, 64)")
    fails(*command, "--mask", "mask.tif", code=DATA, words=words)


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ((slice(0, 2), slice(0, 8)), "0:2,0:8 does not fit"),
        ((slice(0, 9), slice(None), slice(None)), "0:9 along Z .* has 4 voxels"),
        ((slice(4, None), slice(None), slice(None)), "4:4 along Z"),
        ((slice(None), slice(None), slice(0, 8, 2)), "step of 2"),
    ],
)
def test_regions_of_scripts(folder: Path, region, words) -> None:
    with pytest.raises(SegtrainError, match=words):
        predict_volume(folder / "run", stack(), folder / "a.zarr", region=region)
    assert [path.name for path in folder.iterdir()] == ["run"]


def ends(
    capsys, command: tuple[object, ...], code: int, words: tuple[str, ...]
) -> None:
    capsys.readouterr()
    assert main([str(part) for part in command]) == code
    check_sentence(capsys.readouterr().err, words)


def n_marked(folder: Path) -> int:
    return len(list(folder.glob("out/*.work/*/predict/*.json")))


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def test_nan_in_a_later_block(capsys, here: Path) -> None:
    """What is done is kept, and goes on once the image is mended elsewhere."""
    image = stack().astype(np.float32)
    image[2, 40, 50] = np.nan
    write_image(here, image)
    words = ("NaN or infinite", "z=2, y=40, x=50", "replace them")
    ends(capsys, PREDICT, DATA, words)
    assert n_marked(here) > 0


def test_a_store_that_vanishes_while_it_runs(
    capsys, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = zarr.create_array(
        str(here / "cells.zarr"), shape=(4, 64, 70), chunks=(1, 32, 32), dtype="u1"
    )
    array[...] = stack()
    write = BlockWork.write

    def and_vanish(self, number, painted):
        write(self, number, painted)
        if number == 3:
            (here / "cells.zarr").rename(here / "away.zarr")

    command = (*PREDICT[:2], "cells.zarr", *PREDICT[3:], "--axes", "ZYX")
    with monkeypatch.context() as patch:
        patch.setattr(BlockWork, "write", and_vanish)
        words = ("cells.zarr is not there any more", "bring it back")
        ends(capsys, command, DATA, words)
    ends(capsys, command, DATA, ("cells.zarr", "does not exist"))
    assert n_marked(here) > 0
    (here / "away.zarr").rename(here / "cells.zarr")
    assert main([str(part) for part in command]) == 0


@pytest.mark.parametrize(
    "name", ["out", "out/cells.ome.zarr", "out/cells.ome.zarr.work"]
)
def test_a_place_that_is_read_only(
    fails, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As for anybody but root."""
    as_it_should_be(folder)
    if name != "out":
        (folder / "out").mkdir()
    make = os.mkdir
    refused = {folder / name, Path(name)}

    def refuse(path, *given, **options):
        target = Path(path)
        hidden = target.with_name(target.name.removeprefix(".").partition("-")[0])
        stems = {each.with_suffix("") for each in refused}
        if target in refused or (target.suffix == ".tmp" and hidden in stems):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        make(path, *given, **options)

    monkeypatch.setattr(os, "mkdir", refuse)
    words = ("cannot be written", "Permission denied", "can be written to")
    if name == "out/cells.ome.zarr":
        monkeypatch.chdir(folder)
        assert main([str(part) for part in PREDICT]) == OUTPUT
    else:
        fails(*PREDICT, code=OUTPUT, words=words)
    monkeypatch.setattr(os, "mkdir", make)
    assert main([str(part) for part in PREDICT]) == 0


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 5), (3, 1, 2)])
def test_an_image_smaller_than_the_network_needs(here: Path, shape) -> None:
    """It is reflected, as it is for files."""
    write_image(here, stack((3, 8, 8))[tuple(map(slice, shape))])
    assert main([str(part) for part in PREDICT]) == 0
    files = (*PREDICT[:3], "-o", "files", "--format", "tiff")
    assert main([str(part) for part in files]) == 0
    found = read_labels(here / "out/cells.ome.zarr").array[...]
    expected = read_labels(here / "files/cells.ome.tif").array[...]
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def test_a_damaged_work_folder(fails, folder: Path) -> None:
    as_it_should_be(folder)
    work = folder / "out/cells.ome.zarr.work"
    work.mkdir(parents=True)
    (work / "manifest.json").write_text('{"format_version": 99, "token": "a"}')
    words = ("format version 99", "update napari-segtrain")
    fails(*PREDICT, code=OUTPUT, words=words)
    (work / "manifest.json").write_text("{")
    fails(*PREDICT, code=OUTPUT, words=("cannot be read", "begin again"))
    assert contents(folder)
