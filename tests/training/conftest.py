"""Fixtures of the training tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.training.tasks import make_dataset

from napari_segtrain.data.dataset import Dataset
from napari_segtrain.training import loop
from napari_segtrain.training.learner import Learner
from napari_segtrain.training.steps import Validation


@dataclass(frozen=True)
class Scored(Validation):
    """A validation whose score is given."""

    given: float = 0.0

    @property
    def score(self) -> float:
        return self.given

    def named_scores(self) -> dict[str, float | None]:
        return {"IoU": self.given}


@pytest.fixture(autouse=True)
def every_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report every iteration, so that tests can act at a given one."""
    monkeypatch.setattr(loop, "_EVENT_SECONDS", 0.0)


@pytest.fixture
def dataset() -> Dataset:
    return make_dataset()


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def set_scores(monkeypatch: pytest.MonkeyPatch):
    """Give the epochs these scores and losses, whatever the network has learned."""

    def patch(*scores: float, losses: tuple[float, ...] = ()) -> None:
        losses = losses or (1.0,) * len(scores)
        left, real = iter(zip(scores, losses, strict=True)), Learner.judge

        def judge(learner: Learner) -> Scored:
            score, loss = next(left)
            return Scored(loss, real(learner).scores, given=score)

        monkeypatch.setattr(Learner, "judge", judge)

    return patch
