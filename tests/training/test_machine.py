"""The device line, and why a GPU is not used."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.training.tasks import make_config, make_dataset

from napari_segtrain.data.facts import gather_facts
from napari_segtrain.training import machine
from napari_segtrain.training.machine import Machine, describe_device
from napari_segtrain.training.plan import resolve

BIG = Machine("cpu", "test CPU", 64 << 30)


@pytest.fixture
def cpu_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A torch without CUDA on a computer without an NVIDIA GPU; gives its PATH."""
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: False)
    monkeypatch.setattr(machine, "_PROC", tmp_path / "driver")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SystemRoot", raising=False)
    return tmp_path


def test_the_line_names_device_memory_and_build(cpu_build: Path) -> None:
    info = describe_device()
    assert (info.device, info.torch_build, info.hint) == ("cpu", "CPU only", "")
    assert 0 < info.free_bytes <= info.total_bytes
    assert info.line.startswith("CPU, ")
    assert f"torch {torch.__version__.partition('+')[0]} (CPU only)" in info.line
    assert " GB free" in info.line


@pytest.mark.parametrize("sign", ["program", "driver", "windows"])
def test_a_gpu_that_torch_cannot_use_is_spoken_of(
    cpu_build: Path, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    if sign == "program":
        monkeypatch.setattr(machine.shutil, "which", lambda _: "nvidia-smi")
    elif sign == "driver":
        (cpu_build / "driver").mkdir()
    else:
        (cpu_build / "System32").mkdir()
        (cpu_build / "System32/nvidia-smi.exe").touch()
        monkeypatch.setenv("SystemRoot", str(cpu_build))
    hint = describe_device().hint
    assert "NVIDIA" in hint
    assert "install torch anew with CUDA" in hint
    assert "http" not in hint
    assert describe_device("cpu").hint == "", "who asks for the processor gets it"


def test_a_driver_that_is_too_old_is_spoken_of(
    cpu_build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cpu_build / "driver").mkdir()
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    info = describe_device()
    assert info.torch_build == "CUDA 12.8"
    assert "update the NVIDIA driver" in info.hint


def test_a_limit_caps_the_memory_of_the_plan() -> None:
    dataset = make_dataset()

    def plan(**training: object):
        config = make_config(sampling={"batch_size": 64}, training=training)
        return resolve(config, gather_facts(dataset, config), BIG)

    free = plan()
    limit = free.memory_bytes / 1e9
    limited = plan(memory_limit=limit)
    assert free.machine.memory_bytes == BIG.memory_bytes
    assert limited.machine.memory_bytes == free.memory_bytes
    assert limited.batch_size < free.batch_size == 64
    assert limited.memory_bytes <= 0.7 * free.memory_bytes
    assert plan(memory_limit=1e6).machine == BIG, "no more than there is"
