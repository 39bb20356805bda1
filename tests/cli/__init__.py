"""Tests of distilgpt2_cli.cli."""
