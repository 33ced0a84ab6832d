from __future__ import annotations

import subprocess
import sys
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.config import (
    AdamSolver,
    AdamWSolver,
    AutoSolver,
    AutoValidation,
    Config,
    ConstantSchedule,
    CosineSchedule,
    EpochsLength,
    ExperimentConfig,
    FractionValidation,
    HandValidation,
    InferenceConfig,
    IterationsLength,
    KFoldValidation,
    MuonSolver,
    NamedClassWeights,
    NoValidation,
    OneCycleSchedule,
    PiecewiseSchedule,
    PlateauLength,
    PolynomialSchedule,
    PredictedObjectsConfig,
    RmspropSolver,
    SgdSolver,
    TimeBudgetLength,
    TverskyConfig,
    UNetConfig,
    parse_experiment,
)
from napari_segtrain.errors import ConfigError
from napari_segtrain.ui.widgets.folding import Folding
from napari_segtrain.ui.widgets.forms import ConfigForm
from napari_segtrain.ui.widgets.forms.number_box import NumberBox
from napari_segtrain.ui.widgets.forms.shapes import Number
from napari_segtrain.ui.widgets.forms.words import label_of, number_text

BASIC = ("training.length", "network", "sampling.patch_size", "training.device")


def widget(form, name, kind):
    """What a person finds by its name."""
    found = [w for w in form.findChildren(kind) if w.accessibleName() == name]
    assert found, f"no {kind.__name__} named {name}"
    return found[0]


def number(form, name):
    return widget(form, name, NumberBox)


def type_into(qtbot, box, text):
    line = box if isinstance(box, QLineEdit) else box.lineEdit()
    line.clear()
    qtbot.keyClicks(line, text)


def choose(form, name, text):
    box = widget(form, name, QComboBox)
    box.setCurrentIndex(box.findText(text))


def made(**values):
    return parse_experiment(values, source="test")


@pytest.fixture
def form(qtbot):
    form = ConfigForm(ExperimentConfig, basic=BASIC)
    qtbot.addWidget(form)
    form.unfold_all()
    return form


def test_untouched_it_gives_the_defaults(form):
    assert form.config() == ExperimentConfig()
    assert form.problem() is None


def test_every_field_that_can_be_chosen_has_an_editor_with_help_and_a_name(form):
    shown = {label.text() for label in form.findChildren(QLabel)}
    for section in ("sampling", "augmentation", "training"):
        for name, value in getattr(ExperimentConfig(), section):
            if not isinstance(value, Config):
                assert label_of(name) in shown
    for label in form.findChildren(QLabel):
        if label.buddy():
            assert label.toolTip()
            assert label.buddy().parent().toolTip() == label.toolTip()
    assert {"first filters", "patch size", "weight decay"} <= shown
    for kind in (QComboBox, QCheckBox, NumberBox):
        for child in form.findChildren(kind):
            assert child.accessibleName()


def test_basic_fields_stand_on_top_and_the_others_are_folded_away(qtbot):
    form = ConfigForm(ExperimentConfig, basic=BASIC)
    qtbot.addWidget(form)
    form.show()
    assert number(form, "patch size Z").isVisible()
    assert not any(box.accessibleName() == "seed" for box in shown(form, NumberBox))
    advanced = widget_of_fold(form, "Advanced")
    qtbot.keyClick(advanced.toggleButton(), Qt.Key.Key_Space)
    qtbot.keyClick(widget_of_fold(form, "Training").toggleButton(), Qt.Key.Key_Space)
    assert number(form, "seed").isVisible()
    qtbot.keyClick(advanced.toggleButton(), Qt.Key.Key_Space)
    assert not number(form, "seed").isVisible()


def test_a_section_is_unfolded_with_what_stands_on_top_of_it(qtbot):
    page = QWidget()
    qtbot.addWidget(page)
    extra = QLabel("see how it looks", page)
    form = ConfigForm(ExperimentConfig, extras={"augmentation": extra})
    QVBoxLayout(page).addWidget(form)
    page.show()
    assert not extra.isVisible()
    form.unfold("augmentation")
    assert extra.isVisible()
    preset = widget(form, "preset", QComboBox)
    assert extra.mapTo(form, extra.pos()).y() < preset.mapTo(form, preset.pos()).y()
    with pytest.raises(ValueError, match="no section"):
        form.unfold("augmentation.preset")
    with pytest.raises(ValueError, match="is no section"):
        ConfigForm(ExperimentConfig, extras={"training.seed": extra})


def shown(form, kind, name=None):
    visible = [child for child in form.findChildren(kind) if child.isVisible()]
    return [w for w in visible if name is None or w.accessibleName() == name]


def widget_of_fold(form, title):
    return next(
        fold
        for fold in form.findChildren(Folding)
        if fold.toggleButton().accessibleName() == title
    )


def test_hidden_values_are_kept(qtbot):
    config = made(data={"images": "a.tif", "zero": "dense"}, training={"seed": 7})
    form = ConfigForm(ExperimentConfig, hidden=("data", "training.seed"))
    qtbot.addWidget(form)
    form.set_config(config)
    form.unfold_all()
    assert form.config() == config
    names = {box.accessibleName() for box in form.findChildren(NumberBox)}
    assert "seed" not in names
    assert "batch size" in names


def test_what_is_typed_is_in_the_config(form, qtbot):
    with qtbot.waitSignal(form.changed):
        type_into(qtbot, number(form, "first filters"), "24")
    type_into(qtbot, number(form, "weight decay"), "2.5e-4")
    type_into(qtbot, number(form, "seed"), "4294967295")
    choose(form, "dimensions", "3")
    choose(form, "flips", "no")
    type_into(qtbot, widget(form, "classes", QLineEdit), "1: myelin, 2: axon")
    type_into(qtbot, widget(form, "ignore", QLineEdit), "255, 0")
    type_into(qtbot, widget(form, "voxel size", QLineEdit), "0.5, 0.1, 0.1")
    assert form.config() == made(
        network={"first_filters": 24, "dims": 3},
        training={"weight_decay": 2.5e-4, "seed": 4294967295},
        augmentation={"flips": False},
        data={
            "classes": {1: "myelin", 2: "axon"},
            "ignore": (255, 0),
            "voxel_size": (0.5, 0.1, 0.1),
        },
    )


def test_a_kind_brings_its_own_fields(form, qtbot):
    form.show()
    assert number(form, "patience").isVisible()
    choose(form, "length", "time budget")
    assert not number(form, "patience").isVisible()
    type_into(qtbot, number(form, "seconds"), "90")
    assert form.config().training.length == TimeBudgetLength(seconds=90)
    choose(form, "length", "until plateau")
    assert form.config().training.length == PlateauLength()
    choose(form, "length", "time budget")
    assert form.config().training.length == TimeBudgetLength(seconds=90)


def test_a_loss_brings_its_own_settings_and_its_own_class_weights(form, qtbot):
    form.show()
    widget_of_fold(form, "Advanced").expand(animate=False)
    assert number(form, "Dice").isVisible()
    choose(form, "loss", "Tversky")
    assert not number(form, "Dice").isVisible()
    type_into(qtbot, shown(form, NumberBox, "beta")[0], "0.9")
    weights = shown(form, QComboBox, "class weights")[0]
    weights.setCurrentIndex(weights.findText("by name"))
    assert form.problem().endswith("name at least one class, such as membrane: 3.")
    type_into(qtbot, shown(form, QLineEdit, "weights")[0], "membrane: 3")
    loss = TverskyConfig(
        beta=0.9, class_weights=NamedClassWeights(weights={"membrane": 3})
    )
    assert form.config().loss == loss
    form.set_config(ExperimentConfig())
    assert form.config() == ExperimentConfig()
    form.set_config(ExperimentConfig(loss=loss))
    assert form.config().loss == loss


def test_auto_is_shown_with_what_the_plan_takes_and_comes_back(form, qtbot):
    form.show()
    form.set_resolved(
        {
            "sampling.patch_size": (1, 192, 160),
            "sampling.batch_size": 8,
            "training.learning_rate": 0.003,
            "training.length.max_minutes": 10.0,
            "network.dims": 2,
            "training.solver.kind": "muon",
        }
    )
    batch = number(form, "batch size")
    assert batch.text() == ""
    assert batch.lineEdit().placeholderText() == "auto (8)"
    assert number(form, "patch size X").lineEdit().placeholderText() == "160"
    minutes = number(form, "at most (minutes)")
    assert minutes.lineEdit().placeholderText() == "auto (10)"
    assert widget(form, "dimensions", QComboBox).currentText() == "auto (2)"
    assert widget(form, "solver", QComboBox).currentText() == "auto (Muon)"
    assert form.config() == ExperimentConfig()

    qtbot.keyClick(batch, Qt.Key.Key_Up)
    assert form.config().sampling.batch_size == 8
    back = widget(form, "batch size: Back to “auto”", QToolButton)
    assert back.isVisible()
    back.click()
    assert form.config() == ExperimentConfig()
    assert not back.isVisible()

    form.set_resolved({})
    assert batch.lineEdit().placeholderText() == "auto"


def test_part_of_a_size_is_not_enough(form, qtbot):
    type_into(qtbot, number(form, "patch size Y"), "64")
    assert form.problem() == "The patch size must be 3 numbers, or empty for auto."
    type_into(qtbot, number(form, "patch size Z"), "1")
    type_into(qtbot, number(form, "patch size X"), "32")
    assert form.config().sampling.patch_size == (1, 64, 32)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("first filters", "600", "The first filters must be at most 512 or auto, "
         "not 600."),
        ("learning rate", "-1", "The learning rate must be greater than 0 or auto, "
         "not -1."),
        ("dropout", "1", "The dropout must be less than 1, not 1."),
        ("seed", "", "The seed must be a number, not nothing."),
        ("depth", "2.5", "The depth must be a whole number, not '2.5'."),
        ("weight decay", "1e", "The weight decay must be a number, not '1e'."),
        ("patch size Z", "0", "The patch size must be 3 numbers, or empty for auto."),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_in_one_sentence(form, qtbot, name, text, sentence):
    type_into(qtbot, number(form, name), text)
    assert form.problem() == sentence
    with pytest.raises(ConfigError) as raised:
        form.config()
    assert str(raised.value) == sentence
    assert "border" in number(form, name).parent().styleSheet()
    form.set_config(ExperimentConfig())
    assert form.problem() is None
    assert "border" not in number(form, name).parent().styleSheet()


def test_wrong_combinations_and_lists_are_named(form, qtbot):
    boxes = [b for b in form.findChildren(NumberBox) if b.text() == "99.8"]
    type_into(qtbot, boxes[0], "0.5")
    assert "percentiles must rise" in form.problem()
    form.set_config(ExperimentConfig())
    choose(form, "validation", "by hand")
    assert form.problem() == "The names must have at least 1 item, not 0."
    type_into(qtbot, widget(form, "names", QLineEdit), "image_03, image_04")
    assert form.config().validation.names == ("image_03", "image_04")
    type_into(qtbot, widget(form, "ignore", QLineEdit), "red")
    assert "must be numbers such as 1, 2, 3, not 'red'" in form.problem()
    type_into(qtbot, widget(form, "ignore", QLineEdit), "none")
    assert form.config().data.ignore == ()
    type_into(qtbot, widget(form, "classes", QLineEdit), "1: [")
    assert "must be a list such as 1: myelin" in form.problem()


def test_steps_stay_within_the_bounds_and_go_by_sensible_amounts(form, qtbot):
    dropout = number(form, "dropout")
    qtbot.keyClick(dropout, Qt.Key.Key_Down)
    assert dropout.text() == "0"
    qtbot.keyClick(dropout, Qt.Key.Key_Up)
    assert form.config().network.dropout == 0.01
    decay = number(form, "weight decay")
    type_into(qtbot, decay, "1e-4")
    qtbot.keyClick(decay, Qt.Key.Key_Up)
    assert decay.text() == "1.1e-4"
    filters = number(form, "first filters")
    type_into(qtbot, filters, "600")
    qtbot.keyClick(filters, Qt.Key.Key_Up)
    assert filters.text() == "512"


def test_the_wheel_scrolls_the_dock_and_leaves_numbers_alone(form, qtbot):
    class Wheel:
        ignored = False

        def ignore(self):
            self.ignored = True

    wheel = Wheel()
    number(form, "seed").wheelEvent(wheel)
    assert wheel.ignored
    assert form.config() == ExperimentConfig()


def tab_stops(form):
    """Widgets in the order of the tab key, those that are seen."""
    stops, current = [], form.nextInFocusChain()
    while current is not form:
        takes_tab = current.focusPolicy() & Qt.FocusPolicy.TabFocus
        if takes_tab and current.focusProxy() is None and current.isVisible():
            stops.append(current)
        current = current.nextInFocusChain()
    return stops


def test_the_tab_key_goes_down_the_form_whatever_was_built_when(qtbot):
    form = ConfigForm(ExperimentConfig, basic=BASIC)
    qtbot.addWidget(form)
    form.resize(400, 1400)
    form.show()
    widget_of_fold(form, "Advanced").toggleButton().click()
    widget_of_fold(form, "Training").toggleButton().click()
    widget_of_fold(form, "Sampling").toggleButton().click()
    choose(form, "length", "time budget")
    type_into(qtbot, number(form, "batch size"), "3")
    QApplication.processEvents()
    places = [
        (round(stop.mapTo(form, stop.rect().center()).y() / 8), stop.x())
        for stop in tab_stops(form)
    ]
    assert len(places) > 20
    assert [y for y, _ in places] == sorted(y for y, _ in places)
    names = [stop.accessibleName() for stop in tab_stops(form)]
    after = names[names.index("batch size") + 1]
    assert after == "batch size: Back to “auto”"


def test_what_is_folded_away_is_out_of_the_tab_order(qtbot):
    form = ConfigForm(InferenceConfig, basic=("device",))
    qtbot.addWidget(form)
    form.unfold_all()
    form.show()
    tile = number(form, "tile size Z")
    assert tile in tab_stops(form)
    widget_of_fold(form, "Advanced").collapse(animate=False)
    assert tile not in tab_stops(form)


def test_setting_a_config_tells_once(form, qtbot):
    seen = []
    form.changed.connect(lambda: seen.append(form.config()))
    config = made(training={"seed": 3, "learning_rate": 0.1}, network={"depth": 2})
    form.set_config(config)
    assert seen == [config]


def test_what_is_hidden_for_a_while_does_not_count_and_comes_back(qtbot):
    form = ConfigForm(InferenceConfig)
    qtbot.addWidget(form)
    form.set_shown("objects", is_shown=False)
    form.unfold_all()
    form.show()
    box = number(form, "prominence")
    assert not box.isVisible()
    form.set_shown("objects", is_shown=True)
    assert box.isVisible()
    type_into(qtbot, box, "25")
    assert "prominence" in form.problem()
    form.set_shown("objects", is_shown=False)
    assert not widget_of_fold(form, "Objects").isVisible()
    assert form.config() == InferenceConfig()
    form.set_shown("objects", is_shown=True)
    type_into(qtbot, box, "0.25")
    form.set_shown("objects", is_shown=False)
    form.set_shown("objects", is_shown=True)
    assert form.config().objects.prominence == 0.25
    with pytest.raises(ValueError, match="no section 'device'"):
        form.set_shown("device", is_shown=False)


def test_what_was_set_in_a_hidden_section_does_not_count_either(qtbot):
    config = InferenceConfig(objects=PredictedObjectsConfig(prominence=0.25))
    form = ConfigForm(InferenceConfig)
    qtbot.addWidget(form)
    form.set_shown("objects", is_shown=False)
    form.set_config(config)
    assert form.config() == InferenceConfig()
    form.unfold_all()
    assert form.config() == InferenceConfig()
    form.set_shown("objects", is_shown=True)
    assert form.config() == config


OF_A_MODEL = UNetConfig(dims=2, depth=2, norm="instance", activation="elu")


@pytest.mark.parametrize("is_built_first", [True, False])
def test_what_a_model_decides_is_shown_and_cannot_be_changed(qtbot, is_built_first):
    own = made(network={"name": "segnet", "depth": 4}, training={"seed": 3})
    form = ConfigForm(own, basic=("training.length",))
    qtbot.addWidget(form)
    if is_built_first:
        form.unfold_all()
    form.set_fixed({"network": OF_A_MODEL})
    assert form.config() == own.model_copy(update={"network": OF_A_MODEL})
    form.unfold_all()
    form.show()
    boxes = {"network": "U-Net", "normalization": "instance", "activation": "elu"}
    widget_of_fold(form, "More settings of U-Net").expand(animate=False)
    for name, text in boxes.items():
        (box,) = shown(form, QComboBox, name)
        assert (box.currentText(), box.isEnabled()) == (text, False)
    assert not number(form, "depth").isEnabled()
    assert number(form, "seed").isEnabled()
    later = made(network={"name": "segnet", "depth": 5})
    form.set_config(later)
    assert form.config() == later.model_copy(update={"network": OF_A_MODEL})
    form.set_fixed({})
    assert form.config() == later
    assert shown(form, QComboBox, "network")[0].isEnabled()
    assert number(form, "depth").isEnabled()


def test_what_was_typed_before_a_model_decided_comes_back(form, qtbot):
    type_into(qtbot, number(form, "depth"), "3")
    form.set_fixed({"network": OF_A_MODEL})
    form.set_fixed({"network": UNetConfig(depth=5)})
    assert form.config().network == UNetConfig(depth=5)
    form.set_fixed({})
    assert form.config() == made(network={"depth": 3})
    for path in ("network.depths", "training"):
        with pytest.raises(ValueError, match=f"no field '{path}'"):
            form.set_fixed({path: 3})


def test_a_config_of_another_class_is_refused(form):
    with pytest.raises(TypeError, match="shows ExperimentConfig, not InferenceConfig"):
        form.set_config(InferenceConfig())


@pytest.mark.parametrize("name", ["basic", "hidden"])
def test_a_path_that_leads_nowhere_is_refused(qtbot, name):
    with pytest.raises(ValueError, match=r"no field 'training\.sead'"):
        ConfigForm(ExperimentConfig, **{name: ("training.sead",)})


def test_a_section_is_not_basic(qtbot):
    with pytest.raises(ValueError, match="'training' is a section"):
        ConfigForm(ExperimentConfig, basic=("training",))


class Odd(Config):
    tables: list[int] = Field(default_factory=list)
    """No editor knows lists."""


class Small(Config):
    name: Literal["small"] = "small"
    is_on: bool | Literal["auto"] = "auto"
    """On, off or left to the plan."""


def test_a_field_that_no_editor_shows_is_found_at_once(qtbot):
    with pytest.raises(TypeError, match="no editor for the field 'tables'"):
        ConfigForm(Odd)


def test_a_flag_may_be_auto(qtbot):
    form = ConfigForm(Small)
    qtbot.addWidget(form)
    form.unfold_all()
    choose(form, "is on", "no")
    assert form.config() == Small(is_on=False)


TEXT = st.text(max_size=8)
POSITIVE = st.floats(min_value=1e-300, allow_infinity=False)
UNIT = st.floats(0, 1, exclude_max=True)


def auto(values):
    return st.just("auto") | values


def sizes(low):
    return auto(st.tuples(*[st.integers(low, 10**12)] * 3))


LENGTHS = st.one_of(
    st.builds(IterationsLength, iterations=st.integers(1)),
    st.builds(EpochsLength, epochs=st.integers(1)),
    st.builds(TimeBudgetLength, seconds=POSITIVE.filter(lambda value: value >= 1)),
    st.builds(PlateauLength, patience=st.integers(1), max_minutes=auto(POSITIVE)),
)
SOLVERS = st.one_of(
    st.just(AutoSolver()),
    st.builds(MuonSolver, momentum=UNIT),
    st.builds(AdamWSolver, beta1=UNIT),
    st.builds(AdamSolver, beta2=UNIT),
    st.builds(SgdSolver, momentum=UNIT, nesterov=st.just(False)),
    st.builds(RmspropSolver, smoothing=UNIT, momentum=UNIT),
)
WARM_UPS = auto(st.integers(0))
DROPS = st.floats(0, 1, exclude_min=True, exclude_max=True)
SCHEDULES = st.one_of(
    st.builds(OneCycleSchedule, rise=auto(DROPS)),
    st.builds(ConstantSchedule, warm_up=WARM_UPS),
    st.builds(PiecewiseSchedule, drop_factor=DROPS, every_epochs=st.integers(1)),
    st.builds(PolynomialSchedule, power=POSITIVE),
    st.builds(CosineSchedule, cycles=st.integers(1), warm_up=WARM_UPS),
)
VALIDATIONS = st.one_of(
    st.builds(AutoValidation),
    st.builds(NoValidation),
    st.builds(FractionValidation, fraction=st.floats(0.1, 0.25)),
    st.builds(KFoldValidation, k=st.integers(2, 10)),
    st.builds(HandValidation, names=st.lists(TEXT, min_size=1).map(tuple)),
)
EXPERIMENTS = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries(
            {
                "images": st.none() | st.just("a b.tif"),
                "axes": st.none() | TEXT,
                "voxel_size": st.none()
                | st.lists(POSITIVE, min_size=2, max_size=3).map(tuple),
                "zero": st.sampled_from(["auto", "dense", "unlabelled"]),
                "ignore": auto(st.lists(st.integers()).map(tuple)),
                "classes": st.dictionaries(st.integers(), TEXT, max_size=3),
            }
        ),
        "validation": VALIDATIONS,
        "normalization": st.fixed_dictionaries(
            {"percentiles": st.tuples(st.floats(0, 40), st.floats(41, 100))}
        ),
        "sampling": st.fixed_dictionaries(
            {"patch_size": sizes(1), "foreground_share": auto(st.floats(0, 1))}
        ),
        "augmentation": st.fixed_dictionaries(
            {"flips": st.booleans(), "max_scale": st.floats(1, 2)}
        ),
        "network": st.fixed_dictionaries(
            {
                "dims": auto(st.sampled_from([2, 3])),
                "depth": auto(st.integers(1, 8)),
                "norm": st.sampled_from(["batch", "none"]),
                "dropout": UNIT,
            }
        ),
        "training": st.fixed_dictionaries(
            {
                "length": LENGTHS,
                "solver": SOLVERS,
                "schedule": SCHEDULES,
                "learning_rate": auto(POSITIVE),
                "seed": st.integers(0, 2**32 - 1),
                "n_threads": auto(st.integers(1)),
                "amp": st.booleans(),
            }
        ),
    }
).map(ExperimentConfig.model_validate)
INFERENCES = st.builds(
    InferenceConfig,
    tile_size=sizes(1),
    halo=sizes(0) | st.just("exact"),
    overlap=auto(UNIT),
    batch_size=auto(st.integers(1)),
    device=st.sampled_from(["auto", "cpu", "cuda", "mps"]),
    amp=st.booleans(),
    objects=st.builds(
        PredictedObjectsConfig,
        prominence=auto(UNIT),
        min_voxels=auto(st.integers(0)),
        fill_holes=auto(st.booleans()),
    ),
    probabilities=st.sampled_from(["none", "uint8", "float32"]),
)
SHARED_FORM = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50
)


@SHARED_FORM
@given(config=EXPERIMENTS)
def test_any_experiment_comes_back_as_it_was(form, config):
    form.set_config(config)
    assert form.config() == config


@SHARED_FORM
@given(config=INFERENCES)
def test_any_inference_comes_back_as_it_was(qtbot, config):
    form = ConfigForm(InferenceConfig, basic=("tile_size",))
    qtbot.addWidget(form)
    form.set_config(config)
    assert form.config() == config
    form.unfold_all()
    assert form.config() == config


def test_a_word_or_numbers_can_be_chosen(qtbot):
    form = ConfigForm(InferenceConfig, basic=("halo",))
    qtbot.addWidget(form)
    form.show()
    box = widget(form, "halo", QComboBox)
    numbers = [number(form, f"halo {axis}") for axis in "ZYX"]
    assert [box.itemText(n) for n in range(3)] == ["auto", "exact", "numbers"]
    assert not any(line.isVisible() for line in numbers)
    with qtbot.waitSignal(form.changed):
        box.setCurrentIndex(1)
    assert form.config().halo == "exact"
    box.setCurrentIndex(2)
    assert "halo must be 3 numbers" in form.problem()
    for line in numbers:
        type_into(qtbot, line, "4")
    assert form.config().halo == (4, 4, 4)
    form.set_resolved({"halo": (0, 8, 8)})
    assert box.itemText(0) == "auto (0 × 8 × 8)"


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_the_text_of_a_number_is_read_back_as_the_same_number(value):
    assert type(value)(number_text(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-4, "1e-4"), (0.00025, "2.5e-4"), (1e-20, "1e-20"), (0.003, "0.003"),
     (1.0, "1"), (99.8, "99.8"), (3e18, "3e18"), (-0.5, "-0.5"), (0.0, "0")],
)  # fmt: skip
def test_numbers_are_short(value, text):
    assert number_text(value) == text


def test_a_comma_is_a_decimal_point_and_letters_cannot_be_typed(qtbot):
    box = NumberBox(Number(is_whole=False))
    qtbot.addWidget(box)
    type_into(qtbot, box, "x0,5y")
    assert box.value() == 0.5


@pytest.mark.parametrize(
    "module", ["forms", "curves", "preview", "messages", "score_table", "theme"]
)
def test_widgets_load_no_torch(module):
    code = (
        f"import sys, napari_segtrain.ui.widgets.{module}; "
        "assert not {'torch', 'monai', 'zarr'} & set(sys.modules), "
        "{'torch', 'monai', 'zarr'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
