"""Compares a model's texts for variants of a prompt, with statistics.

Templates, pairs of sentences, words and statistics; the engine does the measuring. Nothing is
imported before it is used, so that a mistake in a template is reported without loading NumPy.
"""
