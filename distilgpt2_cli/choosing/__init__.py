"""Items with several choices, as benchmarks have them: their formats, and accuracies."""
