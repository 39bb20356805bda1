"""Tests of distilgpt2_cli.engine."""
