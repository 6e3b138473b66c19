"""A request as a form."""
