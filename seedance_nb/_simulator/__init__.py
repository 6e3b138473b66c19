"""A provider made from the same documents, with real videos. It runs in the process, or served on loopback."""
