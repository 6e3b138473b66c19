"""A person's values become an approved body, its price, and a request without a key."""
