"""Sizes as people read them."""

import pytest

from distilgpt2_cli.units import count_of, format_bytes


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (99_900, "99.9 kB"),
        (85_000_000, "85.0 MB"),
        (999_949_999, "999.9 MB"),
        (999_960_000, "1.0 GB"),
        (78_278_800_000, "78.3 GB"),
        (2.5e12, "2.5 TB"),
    ],
)
def test_sizes_have_up_to_three_digits_before_the_point(count: float, text: str) -> None:
    assert format_bytes(count) == text


def test_numbers_of_things() -> None:
    assert [count_of(number, "row") for number in (0, 1, 50257)] == [
        "0 rows",
        "1 row",
        "50,257 rows",
    ]
