"""Reads untrusted media files in sandboxed child processes and checks them against documented limits."""
