import subprocess
import sys

import pytest

from napari_segtrain.config import UNetConfig
from napari_segtrain.networks import describe_network, estimate_training_bytes

_MEASURE = """
import sys, torch
from napari_segtrain.config import UNetConfig
from napari_segtrain.networks import build_network
torch.set_num_threads(1)
dims, first, norm, batch, *patch = sys.argv[1:]
config = UNetConfig(
    stem=1, dims=int(dims), depth=3, first_filters=int(first), norm=norm)
def peak():  # ru_maxrss would begin at the size of the parent
    with open("/proc/self/status") as file:
        [line] = [line for line in file if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024
def step(size):
    image = torch.rand(int(batch), 1, *size)
    loss = torch.nn.functional.cross_entropy(
        network(image), torch.zeros(int(batch), *size, dtype=torch.long))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
network = build_network(config, in_channels=1, n_classes=2, seed=0)
optimizer = torch.optim.AdamW(network.parameters(), foreach=False)
step([16] * int(dims))
before = peak()
size = [int(n) for n in patch[-int(dims):]]
step(size)
print(peak() - before)
"""


def measured_bytes(config, batch, patch):
    numbers = (config.dims, config.first_filters, config.norm, batch, *patch)
    command = [sys.executable, "-c", _MEASURE, *map(str, numbers)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("config", "batch", "patch"),
    [
        (UNetConfig(stem=1, dims=2, depth=3, first_filters=16), 4, (1, 256, 256)),
        (
            UNetConfig(stem=1, dims=2, depth=3, first_filters=16, norm="none"),
            4,
            (1, 256, 256),
        ),
        (UNetConfig(stem=1, dims=3, depth=3, first_filters=8), 2, (32, 64, 96)),
    ],
)
def test_estimate_is_near_the_measured_peak(config, batch, patch):
    estimate = estimate_training_bytes(config, patch, batch, in_channels=1, n_classes=2)
    measured = measured_bytes(config, batch, patch)
    assert measured / 2 < estimate < measured * 2


def test_memory_grows_with_the_patch_and_holds_the_weights():
    config = UNetConfig(stem=1, dims=3, depth=2, first_filters=8)
    info = describe_network(config, in_channels=1, n_classes=2)
    small, middle, large = (
        estimate_training_bytes(config, (16, n, n), 1, in_channels=1, n_classes=2)
        for n in (16, 64, 128)
    )
    # sixteen times the voxels of the first, then four times those of the second
    assert 3 < (large - middle) / (middle - small) < 3.4
    assert small > 20 * info.n_parameters


def test_batches_that_wait_are_counted():
    config = UNetConfig(stem=1, dims=2, depth=2, first_filters=8)
    none, four = (
        estimate_training_bytes(
            config, (1, 64, 64), 4, in_channels=3, n_classes=2, n_waiting=n
        )
        for n in (0, 4)
    )
    voxels = 4 * 4 * 64 * 64
    assert four - none >= voxels * (3 * 4 + 1)
