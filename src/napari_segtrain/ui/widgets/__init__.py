"""Widgets that know no task: forms, curves, tables, messages."""
