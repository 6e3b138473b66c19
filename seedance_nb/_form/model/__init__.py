"""A request as a tree of fields, without widgets."""
