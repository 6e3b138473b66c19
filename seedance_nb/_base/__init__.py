"""Shared basics: JSON values, problems, errors, keys, HTML and logging. It imports no other folder."""
