"""Forms that are made from config classes."""

from napari_segtrain.ui.widgets.forms.form import ConfigForm
from napari_segtrain.ui.widgets.forms.panel import INDENT

__all__ = ["INDENT", "ConfigForm"]
