"""A full disk: one sentence, and no half-written file."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bad_input.helpers import (
    OUTPUT,
    QUICK,
    TRAIN,
    check_sentence,
    save,
)
from tests.cli.helpers import (
    disks,
    listing,
    segtrain_script,
    write_set,
)

from napari_segtrain import load_model
from napari_segtrain.cli.app import main


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
    for name in ("a", "b"):
        save(tmp_path / f"{name}.tif", disks((64, 64), 0)[1])
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


@pytest.mark.slow
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
