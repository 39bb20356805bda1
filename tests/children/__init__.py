"""Tests of what runs in processes of its own."""
