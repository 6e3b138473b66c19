"""A provider's OpenAPI document, read into a frozen `Spec`."""
