import pytest

from napari_segtrain.config import (
    IterationsLength,
    PlateauLength,
    TimeBudgetLength,
)
from napari_segtrain.training.checkpoint import Progress
from napari_segtrain.training.clock import RunClock, Speedometer
from napari_segtrain.training.pacing import Pacer
from napari_segtrain.training.schedule import Anneal, anneal_length, one_cycle


class StillClock(RunClock):
    """A clock that is set by hand."""

    def __init__(self, now=0.0):
        self.now = now

    def seconds(self):
        return self.now


def make_pacer(length, clock=None, iterations_per_epoch=10):
    pacer = Pacer(
        length,
        max_minutes=1.0,
        iterations_per_epoch=iterations_per_epoch,
        clock=clock or StillClock(),
    )
    pacer.speed.add(0.0, 0.1, 1000)
    return pacer


def test_one_cycle_rises_once_and_ends_near_zero():
    factors = [one_cycle(i / 1000, i) for i in range(1001)]
    peak = factors.index(max(factors))
    assert peak < 60
    assert max(factors) == pytest.approx(1.0, abs=0.01)
    assert factors[:peak] == sorted(factors[:peak])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert factors[-1] <= 1e-3


def test_an_anneal_begins_where_the_rate_was_and_ends_near_zero():
    anneal = Anneal(first=100, n_iterations=40, factor=0.6, reason="test")
    assert anneal.factor_at(100) == pytest.approx(0.6)
    assert anneal.factor_at(139) < 0.01
    assert not anneal.is_over(139)
    assert anneal.is_over(140)
    assert anneal_length(1000) == 200


def test_iterations_end_at_their_number():
    pacer = make_pacer(IterationsLength(iterations=30))
    assert not pacer.is_over(Progress(iteration=29))
    assert pacer.is_over(Progress(iteration=30))
    assert pacer.eta(Progress(iteration=20)) == pytest.approx(1.0)


def test_a_time_budget_keeps_a_reserve_for_validation_and_saving():
    clock = StillClock(50.0)
    pacer = make_pacer(TimeBudgetLength(seconds=60), clock)
    pacer.note_validation(8.0)
    pacer.save_seconds = 0.5
    assert pacer.reserve > 8.5
    assert pacer.is_over(Progress(iteration=100)) == (60 - pacer.reserve - 0.05 < 50)
    clock.now = 40.0
    assert not pacer.is_over(Progress(iteration=100))


def test_a_plateau_ends_by_patience_or_by_time():
    clock = StillClock(10.0)
    pacer = make_pacer(PlateauLength(patience=3), clock)
    going_on = Progress(iteration=200, epochs_without_gain=2)
    assert pacer.begin_anneal(going_on, is_finishing=False) is None
    flat = Progress(iteration=200, epochs_without_gain=3)
    anneal = pacer.begin_anneal(flat, is_finishing=False)
    assert anneal is not None
    assert anneal.n_iterations == 40
    clock.now = 50.0
    late = pacer.begin_anneal(going_on, is_finishing=False)
    assert late is not None
    assert late.n_iterations * 0.1 <= 60 - 50 - pacer.reserve


def test_finish_now_is_short_and_happens_once():
    pacer = make_pacer(IterationsLength(iterations=10_000))
    anneal = pacer.begin_anneal(Progress(iteration=5000), is_finishing=True)
    assert anneal is not None
    assert anneal.n_iterations == 150
    begun = Progress(iteration=5001, anneal=anneal)
    assert pacer.begin_anneal(begun, is_finishing=True) is None


def test_epochs_grow_with_the_cost_of_validation():
    lengths = {}
    for cost in (0.1, 5.0):
        pacer = make_pacer(TimeBudgetLength(seconds=60), iterations_per_epoch=None)
        pacer.note_validation(cost)
        progress = pacer.calibrate_epoch(Progress(iteration=20))
        lengths[cost] = progress.iterations_per_epoch
    assert lengths[0.1] == 60
    assert lengths[5.0] == 1250


def test_speed_and_share_of_waiting():
    speed = Speedometer()
    speed.add(waited=0.25, computed=0.75, n_voxels=2000)
    assert speed.data_share == pytest.approx(0.25)
    assert speed.voxels_per_second == pytest.approx(2000)
    assert speed.iteration_seconds == pytest.approx(1.0)


def test_an_epoch_is_judged_by_score_or_by_loss():
    first = Progress(epoch_loss_sum=4.0, epoch_iterations=2)
    assert first.mean_epoch_loss == 2.0
    best = first.after_epoch(0.5, min_gain=0.01)
    assert (best.best_score, best.best_epoch, best.epochs_without_gain) == (0.5, 1, 0)
    hardly = best.after_epoch(0.505, min_gain=0.01)
    assert (hardly.best_score, hardly.best_epoch) == (0.505, 2)
    assert hardly.epochs_without_gain == 1
    worse = hardly.after_epoch(0.1, min_gain=0.01)
    assert (worse.best_score, worse.best_epoch) == (0.505, 2)
    assert worse.epochs_without_gain == 2
    unscored = first.after_epoch(None, min_gain=0.01)
    assert unscored.best_score is None
    assert unscored.plateau_score == -2.0
