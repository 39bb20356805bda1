"""Long work in one process: ``make soak``."""
