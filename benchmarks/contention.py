"""Training beside another busy program: threads that sleep against threads that spin.

Iterations per second of the default 2D network, alone and with a busy loop beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys

_PROBE = """
import sys, time
import torch
from napari_segtrain.config import UNetConfig
from napari_segtrain.networks import build_network
config = UNetConfig(dims=2, depth=3, first_filters=24, stem=2)
network = build_network(config, in_channels=1, n_classes=2, seed=0)
network = network.to(memory_format=torch.channels_last)
image = torch.randn(4, 1, 160, 160).contiguous(memory_format=torch.channels_last)
target = torch.randint(0, 2, (4, 160, 160))
optimizer = torch.optim.AdamW(network.parameters(), fused=True)
n, start = 0, time.perf_counter()
while time.perf_counter() - start < 8:
    loss = torch.nn.functional.cross_entropy(network(image), target)
    optimizer.zero_grad(); loss.backward(); optimizer.step(); n += 1
print(n / (time.perf_counter() - start))
"""


def run() -> None:
    for n_busy in (0, 1, 2):
        busy = [
            subprocess.Popen([sys.executable, "-c", "while True: pass"])
            for _ in range(n_busy)
        ]
        try:
            sleeping, spinning = _speed(1000), _speed(300_000)
        finally:
            for process in busy:
                process.kill()
                process.wait()
        print(
            f"{n_busy} busy programs: sleeping {sleeping:.2f}, spinning "
            f"{spinning:.2f} iterations/s, ratio {sleeping / spinning:.2f}",
            flush=True,
        )


def _speed(spin_count: int) -> float:
    """Iterations per second; libgomp's own spin count is 300,000."""
    environment = {
        **os.environ,
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": str(spin_count),
    }
    command = [sys.executable, "-c", _PROBE]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout)
