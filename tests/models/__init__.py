"""Tests of distilgpt2_cli.models."""
