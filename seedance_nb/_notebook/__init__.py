"""What stands in a cell: panel, progress, comparison."""
