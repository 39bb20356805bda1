"""Tests of distilgpt2_cli.terminal."""
