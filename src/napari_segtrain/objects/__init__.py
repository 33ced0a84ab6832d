"""Class maps -> objects."""
