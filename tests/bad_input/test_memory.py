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
    MEMORY,
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

from napari_segtrain import load_model
from napari_segtrain.cli.app import main

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
