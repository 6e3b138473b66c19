"""Simulates a provider from its schemas, with real videos, in this process or served on loopback."""
