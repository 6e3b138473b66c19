"""The fields of a form as stock ipywidgets."""
