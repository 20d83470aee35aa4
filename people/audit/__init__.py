"""Checks of the rendered data: shortcuts that a detector could use, and equality with the shipped ones."""
