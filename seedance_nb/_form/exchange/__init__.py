"""A form's values as curl, Python or a preset file, and back."""
