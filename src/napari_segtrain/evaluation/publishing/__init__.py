"""Scores -> documents for people: HTML, PDF, Excel."""
