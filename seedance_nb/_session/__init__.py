"""Joins models, ledger, provider and tasks into the methods of the public API. It knows no widgets."""
