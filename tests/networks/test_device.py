"""Which devices compute."""

import pytest
import torch

from napari_segtrain.networks import choose_devices, on_device


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that there are GPUs with so much free memory."""

    def ask(device):
        if free_of[device.index] is None:
            raise RuntimeError("CUDA out of memory")
        return free_of[device.index], 100

    free_of = []

    def offer(*free):
        free_of[:] = free
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(free))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(free))
        monkeypatch.setattr(torch.cuda, "mem_get_info", ask)

    return offer


@pytest.mark.parametrize(
    ("free", "setting", "expected"),
    [
        ((), "cpu", ["cpu"]),
        ((90,), "cuda", ["cuda"]),
        ((90,), "cpu", ["cpu"]),
        ((90, 80, 90), "auto", ["cuda:0", "cuda:1", "cuda:2"]),
        ((90, 80), "cuda", ["cuda:0", "cuda:1"]),
        ((5, 80, 30), "cuda", ["cuda:1", "cuda:2"]),
        ((None, 80), "cuda", ["cuda:1"]),
        ((90, 80), "cpu", ["cpu"]),
    ],
)
def test_all_gpus_that_have_memory_work(gpus, free, setting, expected):
    gpus(*free)
    assert [str(device) for device in choose_devices(setting)] == expected


def test_a_processor_is_the_same_in_every_thread():
    with on_device(torch.device("cpu")):
        assert torch.zeros(1).device.type == "cpu"
