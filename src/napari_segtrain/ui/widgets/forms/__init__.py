"""Forms that are made from config classes."""

from napari_segtrain.ui.widgets.forms.form import ConfigForm

__all__ = ["ConfigForm"]
