"""Recipe of the demo model: prepare the text, train, convert to GGUF, evaluate."""
