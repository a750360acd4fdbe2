"""Live metrics of a host's NVIDIA GPUs over HTTP."""

__version__ = "0.1.0"
