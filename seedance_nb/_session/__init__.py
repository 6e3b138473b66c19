"""Joins documents, ledger, provider and tasks into the verbs of the public API. It knows no widgets."""
