"""What a person sees of a task and of its video."""
