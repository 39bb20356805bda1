"""This computer: its processor, its graphics adapters, and the build of llama-cpp-python for it."""
