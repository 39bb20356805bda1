"""Items with several choices."""
