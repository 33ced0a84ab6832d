"""The Models dock, and the list of models."""
