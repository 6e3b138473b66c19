"""Widgets in a cell: the panel, its progress, and comparisons."""
