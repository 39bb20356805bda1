"""Tests on a GPU, or on a software one: `make test-gpu`."""
