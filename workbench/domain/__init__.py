"""The nouns of the workbench, in plain Python and NumPy."""
