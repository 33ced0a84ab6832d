"""Forms that are made from config classes."""

from napari_segtrain.ui.forms.form import ConfigForm

__all__ = ["ConfigForm"]
