"""Check field values and turn them into an approved body, a price estimate, and a request without a key."""
