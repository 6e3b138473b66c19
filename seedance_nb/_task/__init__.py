"""One task, from the POST to the saved video and its player."""
