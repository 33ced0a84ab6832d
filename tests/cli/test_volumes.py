"""``segtrain predict`` into stores: parts, workers, and what was killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from tests.cli.helpers import disks

from napari_segtrain.io import read_labels, write_labels

COMMAND = [sys.executable, "-m", "napari_segtrain"]
BLOCKS = ("--set", "volume.block_size=[2,32,32]")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight slices of 96 x 110 pixels."""
    path = tmp_path_factory.mktemp("stack") / "stack.ome.tif"
    slices = [disks((96, 110), seed)[0] for seed in range(8)]
    write_labels(path, np.stack(slices), axes="ZYX")
    return path


def files_of(folder: Path) -> dict[Path, bytes]:
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def expected(trained: Path, stack: Path, tmp_path_factory) -> Path:
    """The result of one process that nobody disturbed."""
    from napari_segtrain.cli.app import main

    output = tmp_path_factory.mktemp("expected")
    command = ["predict", trained, stack, "-o", output, *BLOCKS, "--probabilities"]
    assert main([str(word) for word in command]) == 0
    return output


def test_writes_a_store_and_goes_by_what_is_there(
    segtrain, trained: Path, stack: Path, expected: Path, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    assert segtrain("predict", trained, stack, "-o", files).code == 0
    plain = read_labels(files / "stack.ome.tif")
    store = read_labels(expected / "stack.ome.zarr")
    assert len(np.unique(plain.array[...])) == 3
    np.testing.assert_array_equal(store.array[...], plain.array[...])
    command = ("predict", trained, stack, "-o", expected, *BLOCKS, "--probabilities")
    again = segtrain(*command)
    assert again.code == 0
    assert "complete already" in again.out
    other = segtrain(*command, "--set", "orientations=2")
    assert other.code != 0
    assert "other settings" in other.err
    assert "--overwrite" in other.err


def test_parts_say_what_is_left(
    segtrain, trained: Path, stack: Path, expected: Path, tmp_path: Path
) -> None:
    command = ("predict", trained, stack, "-o", tmp_path, *BLOCKS, "--probabilities")
    first = segtrain(*command, "--part", "2/2")
    assert "part 2 of 2 has ended; others are not done" in first.out
    assert segtrain(*command, "--part", "1/2").code == 0
    assert files_of(tmp_path) == files_of(expected)


def test_a_preview_counts_blocks_and_writes_nothing(
    segtrain, trained: Path, stack: Path, tmp_path: Path
) -> None:
    mask = np.zeros((96, 110), np.uint8)
    mask[:40, :70] = 1
    write_labels(tmp_path / "mask.tif", mask, axes="YX")
    before = files_of(tmp_path)
    command = ("predict", trained, stack, "-o", tmp_path / "out", *BLOCKS, "--preview")
    area = ("--region", "0:4,0:96,0:110", "--mask", tmp_path / "mask.tif")
    threshold = ("--set", "volume.empty_below=256")
    shown = segtrain(*command, *area)
    assert shown.code == 0
    assert files_of(tmp_path) == before
    titles, row, note = shown.out.splitlines()
    words = "image blocks predicted empty: outside region outside mask dark share of"
    assert titles.split() == [*words.split(), "voxels", "at", "most"]
    # of 4 x 3 x 4 blocks the region has 2 x 3 x 4, and the mask 2 x 3 in a plane
    n_voxels = 4 * 64 * 96
    share = f"{n_voxels / (8 * 96 * 110):.1%}"
    size = f"{n_voxels / 1000:.3g}"
    assert row.split() == ["stack", "48", "12", "24", "12", "0", share, size, "kB"]
    assert "Nothing was written" in note
    row = segtrain(*command, *area, *threshold).out.splitlines()[1]
    assert row.split()[1:] == ["48", "0", "24", "12", "12", "0.0%", "0", "B"]
    assert segtrain(*command[:-1], *area).code == 0
    assert segtrain(*command, *area).code == 0, "also of a store that is there"
    again = segtrain(*command[:-1], *area, "--overwrite")
    assert "complete already" in again.out


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_bytes(
    trained: Path, stack: Path, expected: Path, tmp_path: Path
) -> None:
    """``kill -9`` at several moments."""
    command = [*COMMAND, "predict", trained, stack, "-o", tmp_path, *BLOCKS]
    command.append("--probabilities")
    folder = tmp_path / "stack.ome.zarr.work"
    for n_blocks in (1, 9, 20):
        with subprocess.Popen([str(word) for word in command]) as process:
            while len(list(folder.glob("*/predict/[0-9]*.json"))) < n_blocks:
                assert process.poll() is None, "it ended before it could be killed"
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
        assert n_blocks <= len(list(folder.glob("*/predict/[0-9]*.json"))) < 48
    done = [int(path.stem) for path in folder.glob("*/predict/[0-9]*.json")]
    places = np.transpose(np.unravel_index(done, (4, 3, 4)))
    store = tmp_path / "stack.ome.zarr/0/c"
    shards = [store.joinpath(*map(str, place)) for place in places]
    times = {path: path.stat().st_mtime_ns for path in shards if path.exists()}
    assert len(times) > 15  # of a block without any cell there is no file
    ended = subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True
    )
    assert f"{len(done)} done before" in ended.stdout
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert files_of(tmp_path) == files_of(expected)


@pytest.mark.slow
def test_workers_make_the_same_bytes_and_may_die(
    trained: Path, stack: Path, expected: Path, tmp_path: Path
) -> None:
    command = [*COMMAND, "predict", trained, stack, "-o", tmp_path, *BLOCKS]
    command += ["--probabilities", "--workers", "2"]
    folder = tmp_path / "stack.ome.zarr.work"
    with subprocess.Popen([str(word) for word in command]) as process:
        while len(list(folder.glob("*/predict/[0-9]*.json"))) < 3:
            assert process.poll() is None
            time.sleep(0.01)
        workers = [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if "multiprocessing.spawn" in " ".join(child.cmdline())
        ]
        assert len(workers) == 2
        workers[0].kill()
        assert process.wait(timeout=200) == 0
    assert files_of(tmp_path) == files_of(expected)


def command_of(model: Path, image: Path, output: Path) -> list[str]:
    """Predict into stores, with maps."""
    command = [*COMMAND, "predict", model, image, "-o", output, *BLOCKS]
    return [str(word) for word in (*command, "--probabilities", "--format", "zarr")]


@pytest.fixture
def cluster(tmp_path: Path):
    """A scheduler and a worker of two threads, as on other computers; stops them."""
    file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    options = ["--port", "0", "--no-dashboard", "--scheduler-file", file]
    scheduler = subprocess.Popen([*dask, "scheduler", *options])
    options = ["--nthreads", "2", "--memory-limit", "0", "--scheduler-file", file]
    worker = subprocess.Popen([*dask, "worker", "--no-dashboard", *options])
    while not file.is_file() or not file.read_text():
        assert scheduler.poll() is None
        time.sleep(0.05)
    yield json.loads(file.read_text())["address"], scheduler
    for process in (worker, scheduler):
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_scheduler_may_be_lost(
    trained: Path, stack: Path, expected: Path, tmp_path: Path, cluster
) -> None:
    address, scheduler = cluster
    output = tmp_path / "stores"
    command = command_of(trained, stack, output)
    folder = output / "stack.ome.zarr.work"
    with subprocess.Popen(
        [*command, "--scheduler", address],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not list(folder.glob("*/predict/[0-9]*.json")):
            assert process.poll() is None
            time.sleep(0.005)
        scheduler.kill()
        _, said = process.communicate(timeout=200)
    assert process.returncode not in {0, None}
    assert "scheduler is gone" in said
    assert 0 < len(list(folder.glob("*/predict/[0-9]*.json"))) < 48
    assert subprocess.run(command, check=False).returncode == 0
    assert files_of(output) == files_of(expected)


@pytest.mark.slow
def test_workers_of_a_scheduler_make_the_same_bytes(
    trained: Path, stack: Path, expected: Path, tmp_path: Path, cluster
) -> None:
    address, _ = cluster
    output = tmp_path / "stores"
    command = [*command_of(trained, stack, output), "--scheduler", address]
    assert subprocess.run(command, check=False).returncode == 0
    assert files_of(output) == files_of(expected)


@pytest.mark.slow
def test_a_stop_keeps_what_is_done(trained: Path, stack: Path, tmp_path: Path) -> None:
    command = [*COMMAND, "predict", trained, stack, "-o", tmp_path, *BLOCKS]
    folder = tmp_path / "stack.ome.zarr.work"
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, text=True
    )
    while not list(folder.glob("*/predict/[0-9]*.json")):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert "the same command goes on" in said
    assert 0 < len(list(folder.glob("*/predict/[0-9]*.json"))) < 48


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--part", "3/2"], ("part 3 of 2", "1/2 to 2/2")),
        (["--part", "a"], ("'a'", "--part 3/16")),
        (["--region", "1:2"], ("'1:2'", "--region")),
        (["--region", "0:9,0:4,0:4"], ("0:9", "from 0 to 8")),
        (["--format", "tiff", "--part", "1/2"], ("for stores", "--format tiff")),
        (["--format", "zarr", "--slices", "1"], ("--slices", "--region")),
        (["--preview", "--slices", "1"], ("--slices", "--region")),
        (["--preview", "--format", "png"], ("for stores", "--format png")),
        (["--preview", "--region", "0:9,0:4,0:4"], ("0:9", "from 0 to 8")),
        (["--part", "1/2", "--overwrite"], ("--overwrite", "other parts")),
        (["--set", "volume.blocks=3"], ("blocks", "no such setting")),
        (["--scheduler", "tcp://127.0.0.1:1"], ("127.0.0.1:1", "does not answer")),
        (["--mask", "none.tif"], ("none.tif", "does not exist")),
    ],
)
def test_bad_options_get_a_sentence(
    segtrain, trained: Path, stack: Path, tmp_path: Path, options, words, monkeypatch
) -> None:
    monkeypatch.setattr("napari_segtrain.inference.volume.on_dask._TIMEOUT", "1s")
    outcome = segtrain("predict", trained, stack, "-o", tmp_path, *options)
    assert outcome.code != 0
    for word in words:
        assert word in outcome.err
    assert "Traceback" not in outcome.err


def test_large_images_become_stores(
    segtrain, trained: Path, stack: Path, tmp_path: Path, monkeypatch
) -> None:
    memory = psutil.virtual_memory()._replace(total=500_000)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    assert segtrain("predict", trained, stack, "-o", tmp_path).code == 0
    assert (tmp_path / "stack.ome.zarr/segtrain.json").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["stack.ome.zarr"]
