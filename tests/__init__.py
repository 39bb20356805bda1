"""Tests of distil, on real parts."""
