import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segtrain.config import (
    ConstantSchedule,
    CosineSchedule,
    EpochsLength,
    IterationsLength,
    OneCycleSchedule,
    OnPlateauSchedule,
    PiecewiseSchedule,
    PlateauLength,
    PolynomialSchedule,
    TimeBudgetLength,
)
from napari_segtrain.errors import ConfigError
from napari_segtrain.training.checkpoint import Progress
from napari_segtrain.training.clock import RunClock, Speedometer
from napari_segtrain.training.pacing import Pacer
from napari_segtrain.training.schedule import (
    FINAL_SHARE,
    Anneal,
    Moment,
    anneal_length,
    check_schedule,
    one_cycle,
    rate_factor,
)

SCHEDULES = [
    OneCycleSchedule(),
    OneCycleSchedule(rise=0.3),
    ConstantSchedule(),
    PiecewiseSchedule(),
    PolynomialSchedule(),
    CosineSchedule(),
    CosineSchedule(cycles=3),
    OnPlateauSchedule(),
]
LENGTHS = [
    IterationsLength(iterations=400),
    EpochsLength(epochs=40),
    TimeBudgetLength(seconds=60),
    PlateauLength(),
]


class StillClock(RunClock):
    """A clock that is set by hand."""

    def __init__(self, now=0.0):
        self.now = now

    def seconds(self):
        return self.now


def make_pacer(length, clock=None, iterations_per_epoch=10, schedule=None):
    pacer = Pacer(
        length,
        schedule or OneCycleSchedule(),
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


def course(schedule, n=1000, **facts):
    """Factors over a run of n iterations and 20 epochs."""
    return [
        rate_factor(schedule, Moment(i / n, i, epoch=20 * i // n, **facts))
        for i in range(n)
    ]


def test_the_default_is_the_one_cycle_that_it_was():
    default = OneCycleSchedule()
    assert course(default) == [one_cycle(i / 1000, i) for i in range(1000)]
    steady = course(default, has_open_end=True)
    assert steady == [min(1.0, (i + 1) / 20) for i in range(1000)]


def test_one_cycle_with_a_long_rise():
    factors = course(OneCycleSchedule(rise=0.4))
    assert factors[200] == pytest.approx(0.5)
    assert factors[400] == pytest.approx(1.0)
    assert factors[700] == pytest.approx(0.5)
    assert factors[-1] == FINAL_SHARE
    assert course(OneCycleSchedule(rise=0.4), has_open_end=True)[401:] == [1.0] * 599


def test_constant_and_piecewise():
    assert set(course(ConstantSchedule(warm_up=0))) == {1.0}
    steps = course(PiecewiseSchedule(drop_factor=0.5, every_epochs=8, warm_up=0))
    assert [n for n, _ in itertools.groupby(steps)] == [1.0, 0.5, 0.25]
    assert steps.index(0.5) == 400


def test_polynomial_and_cosine():
    line = course(PolynomialSchedule(power=1, warm_up=0))
    assert line[250] == pytest.approx(0.75)
    assert course(PolynomialSchedule(power=2, warm_up=0))[500] == pytest.approx(0.25)
    cosine = course(CosineSchedule(warm_up=0))
    assert (cosine[0], cosine[500]) == (1.0, pytest.approx(0.5))
    again = course(CosineSchedule(cycles=2, warm_up=0))
    assert again[250] == pytest.approx(0.5)
    assert again[500] == 1.0
    assert again[-1] < 0.01


def test_on_plateau_drops_again_and_again_while_the_score_stands():
    schedule = OnPlateauSchedule(drop_factor=0.1, patience=2, warm_up=0)
    pacer = make_pacer(IterationsLength(iterations=1000), schedule=schedule)
    progress, factors = Progress(iteration=100), []
    for score in (0.5, 0.5, 0.5, 0.5, 0.6, 0.6, 0.6):
        progress = pacer.count_drop(progress.after_epoch(score, min_gain=0.01))
        factors.append(pacer.rate_factor(progress))
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.1, 0.1, 0.01])


def test_other_schedules_count_no_drops():
    pacer = make_pacer(PlateauLength())
    flat = Progress(epochs_without_gain=3)
    assert pacer.count_drop(flat) is flat


WARM = [s for s in SCHEDULES if not isinstance(s, OneCycleSchedule)]


@pytest.mark.parametrize("schedule", WARM, ids=repr)
def test_warm_up_rises_over_as_many_iterations_as_said(schedule):
    warm = course(schedule.model_copy(update={"warm_up": 100}))
    cold = course(schedule.model_copy(update={"warm_up": 0}))
    assert warm[0] == pytest.approx(0.01 * cold[0])
    assert warm[49] == pytest.approx(0.5 * cold[49])
    assert warm[99:] == cold[99:]
    assert course(schedule)[0] == pytest.approx(0.05)
    assert course(schedule)[20:] == cold[20:]


@given(
    st.sampled_from(SCHEDULES),
    st.floats(0, 1),
    st.integers(0, 10**6),
    st.integers(0, 1000),
    st.booleans(),
)
def test_a_rate_is_never_nothing_and_never_above_its_peak(
    schedule, share, iteration, epoch, has_open_end
):
    moment = Moment(share, iteration, epoch, epoch, has_open_end)
    assert FINAL_SHARE <= rate_factor(schedule, moment) <= 1


@pytest.mark.parametrize("length", LENGTHS, ids=lambda length: length.kind)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_every_schedule_goes_with_every_length_and_is_annealed_on_finishing(
    schedule, length
):
    clock = StillClock(25.0)
    pacer = make_pacer(length, clock, schedule=schedule)
    progress = Progress(iteration=200, epoch=20)
    before = pacer.rate_factor(progress)
    assert before > 10 * FINAL_SHARE
    anneal = pacer.begin_anneal(progress, is_finishing=True)
    assert anneal is not None
    begun = replace(progress, anneal=anneal)
    assert pacer.rate_factor(begun) == pytest.approx(before)
    last = replace(begun, iteration=anneal.first + anneal.n_iterations - 1)
    assert pacer.rate_factor(last) < 0.1 * before
    assert pacer.is_over(replace(last, iteration=last.iteration + 1))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_every_schedule_is_annealed_on_a_plateau(schedule):
    pacer = make_pacer(PlateauLength(patience=4), StillClock(10.0), schedule=schedule)
    flat = Progress(iteration=200, epochs_without_gain=4)
    anneal = pacer.begin_anneal(flat, is_finishing=False)
    assert anneal is not None
    assert anneal.factor == pacer.rate_factor(flat)


@pytest.mark.parametrize(
    ("schedule", "length", "message"),
    [
        (CosineSchedule(warm_up=400), LENGTHS[0], "rise for 400 .* has 400.*warm_up"),
        (ConstantSchedule(warm_up=500), LENGTHS[1], "rise for 500 .* has 400"),
        (PiecewiseSchedule(every_epochs=50), LENGTHS[1], "after 50 .*every_epochs"),
        (PiecewiseSchedule(every_epochs=40), LENGTHS[0], "has 400 iterations; use"),
    ],
)
def test_a_schedule_that_a_run_never_comes_to_is_refused(schedule, length, message):
    with pytest.raises(ConfigError, match=message):
        check_schedule(schedule, length, 10)
    for longer in (TimeBudgetLength(), PlateauLength(), EpochsLength(epochs=60)):
        check_schedule(schedule, longer, 10)


def test_no_validation_is_made_just_before_the_last_one():
    clock = StillClock()
    pacer = make_pacer(TimeBudgetLength(seconds=60), clock)
    pacer.note_validation(2.0)
    progress = Progress(iterations_per_epoch=10, epoch_iterations=10)
    clock.now = 54.0
    assert pacer.is_epoch_end(progress)
    clock.now = 56.0
    assert not pacer.is_over(progress)
    assert not pacer.is_epoch_end(progress)


def test_a_run_counted_in_iterations_validates_at_each_epoch():
    clock = StillClock(1e6)
    pacer = make_pacer(IterationsLength(iterations=400), clock)
    pacer.note_validation(2.0)
    progress = Progress(iterations_per_epoch=10, epoch_iterations=10)
    assert pacer.is_epoch_end(progress)
