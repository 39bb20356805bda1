"""The command line: one module a command, which reads options, calls, and renders."""
