"""The HTTP server, as its clients see it."""
