"""What runs a network: torch, or an engine that it is converted for."""

from napari_segtrain.inference.engines.choice import choose_engine

__all__ = ["choose_engine"]
