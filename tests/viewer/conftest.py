"""The plugin in a real viewer; each test begins with fresh preferences."""

from tests.widget_fixtures import deleted_widgets, preferences

__all__ = ["deleted_widgets", "preferences"]
