"""A section of pytest's report: how many examples of the documentation were checked, and how.

The tests record it as a property, which pytest-xdist carries from its workers.
"""

from collections import Counter

import pytest

PROPERTY = "example"
BYTES, SHAPE = "to the byte", "by their shape only"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the section, if there were any."""
    counts = Counter(
        value
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == PROPERTY
    )
    if counts:
        terminalreporter.section("examples of the documentation")
        for how in (BYTES, SHAPE):
            terminalreporter.line(f"checked {how}: {counts[how]}")
