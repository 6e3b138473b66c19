"""What untrusted bytes hold, found out in a sandboxed child process, and held against the documented limits."""
