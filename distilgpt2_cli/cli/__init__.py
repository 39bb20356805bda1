"""The command line: each command reads its options, calls the engine, and shows the results."""
