"""DistilGPT2 text in a shell pipe, on llama.cpp."""

__version__ = "0.1.0"
