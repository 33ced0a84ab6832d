"""Write ``constraints/cpu.txt``: the versions that pip chooses today for everything.

Run it with the oldest supported Python, whose choice suits the newer ones too. pip 25.1
or newer only resolves; nothing is installed. torch is fixed here: it must have a CPU
build wherever the tests run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "constraints" / "cpu.txt"
TORCH = "torch==2.13.0"
EXTRAS = ".[formats,napari,tensorboard]"
REQUIREMENTS = [TORCH, EXTRAS, "--group", "dev", "hatchling", "pip"]
HEADER = """\
# Pins for reproducible installs on Python 3.11 to 3.13, made by
# tools/make_constraints.py on Python {python}; used through PIP_CONSTRAINT.
# For torch without CUDA on Linux, pip must be shown PyTorch's index of CPU builds.
"""


def main() -> None:
    """Resolve and write."""
    pins = [pin(item["metadata"]) for item in resolve()]
    pins.sort(key=lambda line: line.split("==")[0])
    python = ".".join(map(str, sys.version_info[:2]))
    text = HEADER.format(python=python) + "\n".join(pins) + "\n"
    TARGET.write_text(text, encoding="utf-8")
    print(f"{TARGET.relative_to(ROOT)}: {len(pins)} pins")


def resolve() -> list[dict[str, dict[str, str]]]:
    """Distributions that a fresh install would get, this project left out."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"]
    command += ["--ignore-installed", "--report", "-", *REQUIREMENTS]
    result = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    install = json.loads(result.stdout)["install"]
    return [item for item in install if "dir_info" not in item["download_info"]]


def pin(metadata: dict[str, str]) -> str:
    """``name==version`` with a normalized name and no local version label."""
    name = re.sub(r"[-_.]+", "-", metadata["name"]).lower()
    return f"{name}=={metadata['version'].split('+')[0]}"


if __name__ == "__main__":
    main()
