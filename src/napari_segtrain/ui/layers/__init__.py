"""Layers of napari <-> images, labels and results of the core."""
