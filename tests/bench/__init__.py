"""Speed, start and memory, each as a ratio measured in one run; see ``docs/performance.md``."""
