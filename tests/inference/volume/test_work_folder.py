"""The right to finish, and marks of runs."""

import os
import socket
import subprocess
import sys
import time

import pytest

from napari_segtrain.errors import OutputError
from napari_segtrain.inference.volume.work_folder import WorkFolder


@pytest.fixture
def path(tmp_path):
    folder = WorkFolder(tmp_path / "a.work")
    assert folder.write_manifest({"n": 1})
    return folder.path


def opened(path):
    """Of a process that goes on with the run."""
    folder = WorkFolder(path)
    folder.read_manifest()
    return folder


def aged(path, seconds):
    then = time.time() - seconds
    os.utime(path / "finishing", (then, then))


def test_one_process_has_the_right_to_finish(path):
    first, second = opened(path), opened(path)
    assert first.lock()
    assert not second.lock()
    assert first.finisher.split() == [socket.gethostname(), str(os.getpid())]
    second.unlock()
    assert not second.lock(), "only its owner gives it back"
    first.unlock()
    assert second.lock()


def test_a_process_elsewhere_loses_it_after_a_while(path):
    first, second = opened(path), opened(path)
    assert first.lock()
    lock = path / "finishing"
    lock.write_text("otherhost 1 abc")
    aged(path, 500)
    assert not second.lock()
    aged(path, 700)
    assert second.lock()
    first.unlock()
    assert second.finisher


def test_one_that_works_keeps_it(path):
    first, second = opened(path), opened(path)
    assert first.lock()
    aged(path, 700)
    first.touch()
    assert not second.lock()


def test_a_dead_process_of_this_computer_loses_it_soon(path):
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    (path / "finishing").write_text(f"{socket.gethostname()} {ended.stdout.strip()} x")
    assert not opened(path).lock()
    aged(path, 60)
    assert opened(path).lock()


def test_there_is_one_manifest(path):
    late = WorkFolder(path)
    assert not late.write_manifest({"n": 2})
    assert late.read_manifest() == {"n": 1}
    assert [file.name for file in path.iterdir()] == ["manifest.json"]


def test_marks_of_a_run_that_was_replaced_do_not_count(path):
    old = WorkFolder(path)
    old.read_manifest()
    old.mark("predict", 3)
    assert old.marked("predict") == {3}
    new = WorkFolder(path)
    new.remove()
    assert new.write_manifest({"n": 1})
    old.mark("predict", 4)
    assert new.marked("predict") == set()
    assert not new.is_marked("predict", 4)


def test_without_a_folder_there_is_nothing_to_finish(tmp_path):
    assert not WorkFolder(tmp_path / "none").lock()
    assert WorkFolder(tmp_path / "none").read_manifest() is None


def test_a_folder_that_is_a_file_is_a_sentence(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        WorkFolder(tmp_path / "a/b").write_manifest({})


def test_a_block_is_taken_by_one_process_at_a_time(path):
    first, second = opened(path), opened(path)
    assert first.claim("finish", 3)
    assert not second.claim("finish", 3)
    assert second.claim("finish", 4)
    assert second.claimant("finish", [2, 3]).split()[1] == str(os.getpid())
    assert second.claimant("finish", [2]) == ""
    second.release("finish", 3)
    assert not second.claim("finish", 3), "only its owner gives it back"
    first.release("finish", 3)
    assert second.claim("finish", 3)


def test_nothing_of_a_run_that_has_ended_can_be_taken_or_marked(path):
    late = opened(path)
    WorkFolder(path).remove()
    late.mark("finish", 1)
    assert not late.claim("finish", 2)
    assert not late.lock()
    assert not path.exists()
    assert WorkFolder(path).write_manifest({"n": 1})
    assert not late.lock(), "it is another run"


def test_a_mark_that_is_gone_is_a_sentence(path):
    with pytest.raises(OutputError, match=r"7\.json cannot be read"):
        opened(path).facts("finish", 7)
