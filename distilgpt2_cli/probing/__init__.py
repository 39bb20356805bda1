"""How a model's texts differ between variants of a prompt, and what is chance in that.

Templates, pairs of sentences, words and statistics; the measuring is done with the engine. Nothing
is imported before it is used, so that a mistake in a template is reported without NumPy.
"""
