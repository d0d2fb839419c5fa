"""A clinical imaging workbench for NVIDIA's medical NIMs."""

__version__ = "0.1.0"
