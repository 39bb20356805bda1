"""The editor of ``distil write``: a text, suggestions for it, and the screen that shows both."""
