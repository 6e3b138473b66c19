"""Normalisation and validation of any JSON Schema dialect in bounded work, without knowledge of providers."""
