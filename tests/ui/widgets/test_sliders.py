"""Sliders beside numbers of a form."""

from __future__ import annotations

from napari_segtrain.config import SeparationConfig
from napari_segtrain.ui.widgets.forms import ConfigForm
from napari_segtrain.ui.widgets.forms.slider import NumberSlider


def shown(qtbot) -> ConfigForm:
    form = ConfigForm(SeparationConfig, basic=("method", "threshold", "min_voxels"))
    qtbot.addWidget(form)
    return form


def slider(form: ConfigForm, name: str) -> NumberSlider:
    found = form.findChildren(NumberSlider)
    return next(s for s in found if name in s.accessibleName().casefold())


def test_a_slider_changes_the_number(qtbot) -> None:
    form = shown(qtbot)
    with qtbot.waitSignal(form.changed):
        slider(form, "threshold").setValue(slider(form, "threshold").maximum())
    assert form.config().threshold == 0.95


def test_a_number_moves_the_slider(qtbot) -> None:
    form = shown(qtbot)
    form.set_config(SeparationConfig(threshold=0.05, min_voxels=10000))
    assert slider(form, "threshold").value() == 0
    sizes = slider(form, "voxels")
    assert sizes.value() == sizes.maximum()


def test_what_is_typed_beyond_the_slider_stays(qtbot) -> None:
    form = shown(qtbot)
    form.set_config(SeparationConfig(min_voxels=123456))
    assert form.config().min_voxels == 123456


def test_small_sizes_have_more_of_the_slider(qtbot) -> None:
    form = shown(qtbot)
    sizes = slider(form, "voxels")
    sizes.setValue(sizes.maximum() // 4)
    assert 0 < form.config().min_voxels < 300
