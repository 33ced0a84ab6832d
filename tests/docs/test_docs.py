"""What the documents tell people to type works, with shorter trainings."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import PIL.Image
import pytest
from tests.cli.helpers import SMALL, stop_at_once, write_set

from napari_segtrain.cli.app import main
from napari_segtrain.data.samples import sample_dir

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = [PAGES[0], *(pytest.param(page, marks=pytest.mark.slow) for page in PAGES[1:])]
LINKING = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
NOT_RUN = ("make ", "python -m pip ")
LENGTHS = ("--time-budget", "--epochs", "--iterations")
MAX_IMAGE_BYTES = 300_000


def blocks(page: Path, language: str) -> list[str]:
    pattern = rf"^```{language}\n(.*?)^```"
    return re.findall(pattern, page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the documents speak of."""
    monkeypatch.chdir(tmp_path)
    write_set(tmp_path / "train", 3, (64, 64))
    write_set(tmp_path / "test", 2, (64, 60), first=3)
    shutil.copytree(sample_dir("nuclei"), tmp_path / "nuclei")
    shutil.copytree(tmp_path / "nuclei/test/label", tmp_path / "nuclei/segmentation")
    return tmp_path


def commands(page: Path) -> Iterator[list[str]]:
    """Lines of the shell blocks that are to be run, as arguments."""
    variables: dict[str, str] = {}
    for block in blocks(page, "bash"):
        for line in block.splitlines():
            if not line.strip() or line.startswith(NOT_RUN):
                continue
            if line.startswith("SAMPLE="):
                variables["SAMPLE"] = output_of(line)
                continue
            yield shlex.split(
                line.replace("$SAMPLE", variables.get("SAMPLE", "")), comments=True
            )


def output_of(assignment: str) -> str:
    code = re.search(r'-c "(.*)"', assignment)
    assert code
    done = subprocess.run(
        [sys.executable, "-c", code[1]], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def shortened(arguments: list[str]) -> list[str]:
    """The same training with a small network and two iterations."""
    if arguments[0] != "train" or "--dry-run" in arguments:
        return arguments
    for name in LENGTHS:
        if name in arguments:
            place = arguments.index(name)
            del arguments[place : place + 2]
    return [*arguments, *SMALL, "--iterations", "2"]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_commands(page: Path, workplace: Path) -> None:
    prepare(page)
    for program, *arguments in commands(page):
        if program == "python":
            subprocess.run([sys.executable, *arguments], check=True)
            continue
        assert program == "segtrain"
        if arguments[0] == "demo":
            continue  # has tests of its own
        shutil.rmtree(workplace / "run3", ignore_errors=True)
        if arguments[0] == "resume":
            shutil.copytree("stopped", "run3")
        assert main(shortened(arguments)) == 0, arguments


def prepare(page: Path) -> None:
    """Runs that a page takes for granted."""
    paths = ("--images", "train/image", "--labels", "train/label")
    length = ("--iterations", "2")
    given = ("train", *paths, *SMALL, *length, "--output")
    if page.stem == "models":
        assert main([*given, "run1"]) == 0
    if page.stem == "command-line":
        stop_at_once(Path("train"), Path("stopped"))


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_python(page: Path, workplace: Path) -> None:
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        code = re.sub(r"time_budget=\d+", "iterations=2", block)
        code = re.sub(r"iterations=\d+", "iterations=2", code)
        code = code.replace("iterations=2,\n    control", "iterations=12,\n    control")
        exec(compile(code, str(page), "exec"), names)
    assert workplace.exists()


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Files and anchors of this project that a page leads to."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


def anchors(page: Path) -> set[str]:
    """Names that the headings of a page get on GitHub."""
    found = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in found}


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.stem)
def test_links_and_anchors(page: Path) -> None:
    for path, anchor in links(page):
        assert path.exists(), path
        assert not anchor or anchor in anchors(path), (path, anchor)


def pictures_of_tools() -> set[str]:
    """Pictures that some tool makes, as its constant ``PICTURES`` says."""
    found: set[str] = set()
    for tool in (ROOT / "tools").glob("*.py"):
        for node in ast.parse(tool.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == (
                "PICTURES"
            ):
                found |= set(ast.literal_eval(node.value))
    return found


def test_every_picture_is_shown_made_by_a_tool_and_small() -> None:
    shown = {path for page in LINKING for path, _ in links(page)}
    shown = {path for path in shown if path.suffix == ".png"}
    assert shown == set((ROOT / "docs/images").iterdir())
    assert {path.name for path in shown} == pictures_of_tools()
    for path in shown:
        assert path.stat().st_size < MAX_IMAGE_BYTES
        with PIL.Image.open(path) as picture:
            assert picture.format == "PNG"


def test_options_in_the_tables_exist(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs/command-line.md").read_text("utf-8")
    known = set()
    for command in (
        "train",
        "resume",
        "predict",
        "evaluate",
        "objects",
        "demo",
        "init",
        "info",
    ):
        assert main([command, "--help"]) == 0
        known |= set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    known |= {"--help", "--version"}
    assert set(re.findall(r"--[a-z][a-z-]+", text)) <= known


@pytest.mark.parametrize("name", ["README.md", "docs/index.md"])
def test_no_page_is_forgotten(name: str) -> None:
    pages = set((ROOT / "docs").glob("*.md")) - {ROOT / "docs/index.md"}
    assert pages <= {path for path, _ in links(ROOT / name)}


def test_paths_of_this_project_exist() -> None:
    """Files that the documents name in passing."""
    pattern = r"`((?:tests|tools|src|examples|benchmarks|docs|constraints)/[\w./-]+)`"
    for page in LINKING:
        for name in re.findall(pattern, page.read_text("utf-8")):
            assert (ROOT / name).exists(), (page.name, name)
