"""Python's two ways with standard output, which are to make no difference."""

import pytest

buffered_or_not = pytest.mark.parametrize(
    "env", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"], indirect=True
)
"""Runs a test twice: as usual, and as in many containers, where writes may be short."""
