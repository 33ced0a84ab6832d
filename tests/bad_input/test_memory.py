"""Out of memory, and a device that is not there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.bad_input.helpers import (
    CONFIG,
    PREDICTION,
    QUICK,
    TRAIN,
    TRAINING,
    check_sentence,
    save,
    with_image,
)
from tests.cli.helpers import (
    disks,
    segtrain_script,
    write_set,
)
from tests.devices import absent_device

from napari_segtrain import load_model
from napari_segtrain.cli.app import main

NO_MEMORY = "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"


def test_memory_runs_out_in_training(
    capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_segtrain.training import learner

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(NO_MEMORY)

    write_set(tmp_path, 2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(learner, "train_step", fail)
    assert main([*TRAIN, *QUICK]) == TRAINING
    said = capsys.readouterr()
    words = ("one patch of 1 × 4 × 4 voxels", "network.first_filters")
    check_sentence(said.err, words)
    for change in ("4 patches per iteration instead of 8", "patches of 1 × 24 × 24"):
        assert f"Memory ran out at iteration 0; going on with {change}" in said.out
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
@pytest.mark.timeout(300)
def test_memory_really_runs_out(tmp_path: Path) -> None:
    import resource

    image, labels = (np.tile(part, (48, 48)) for part in disks((64, 64), 0))
    save(tmp_path / "image/a.tif", image)
    save(tmp_path / "label/a.tif", labels)
    options = ("--iterations", "1", "--validation", "none", "--set", "network.stem=1")
    options += ("--set", "network.norm=none", "--set", "network.first_filters=16")
    options += ("--set", "sampling.batch_size=1")
    patch = "patch_size=[1,3072,3072]"
    limit = (6 << 30, 6 << 30)
    done = subprocess.run(
        [segtrain_script(), *TRAIN, *options, "--set", f"sampling.{patch}"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "going on with patches of 1 × 1536 × 1536 voxels" in done.stdout
    assert load_model(tmp_path / "run").spec.patch_size[1] < 3072


def test_a_missing_device(fails, tmp_path: Path) -> None:
    with_image(tmp_path, disks((64, 64), 0)[0])
    absent = absent_device()
    words = (f"'{absent}'", "offers only", "cpu")
    fails(*TRAIN, "--device", absent, code=CONFIG, words=words)
