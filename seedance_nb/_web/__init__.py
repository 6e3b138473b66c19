"""Bytes at addresses that others chose. No key enters this folder."""
