"""Windows over long texts, beside the loop that transformers' documentation describes."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distilgpt2_cli.engine import Window, disjoint, sliding
from distilgpt2_cli.errors import ParameterError


def by_positions(count: int, size: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Yield begin, end and first scored position of each window, by arithmetic."""
    seen = 0
    for begin in range(0, count, stride):
        end = min(begin + size, count)
        yield begin, end, max(seen, begin + 1)
        seen = end
        if end == count:
            break


@given(st.integers(0, 80), st.integers(1, 20), st.data())
def test_sliding(count: int, size: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, size))
    tokens = list(range(count))
    expected = [
        (tokens[begin:end], tokens[first:end])
        for begin, end, first in by_positions(count, size, stride)
        if first < end
    ]
    windows = list(sliding(iter(tokens), size, stride))
    assert [(window.tokens, window.tokens[-window.scored :]) for window in windows] == expected
    if stride < size:
        scored = [token for window in windows for token in window.tokens[-window.scored :]]
        assert scored == tokens[1:]
        assert sum(window.new for window in windows) == (count if count > 1 else 0)


def test_windows_that_do_not_overlap() -> None:
    assert list(sliding(range(7), 3, 3)) == [
        Window([0, 1, 2], 2, 3),
        Window([3, 4, 5], 2, 3),
    ]


@pytest.mark.parametrize("stride", [0, -1, 9])
def test_a_stride_that_leaves_tokens_out_is_refused(stride: int) -> None:
    with pytest.raises(ParameterError, match="stride"):
        list(sliding(range(20), 8, stride))


def test_the_windows_of_llama_cpp() -> None:
    windows = list(disjoint(range(29), 8, None))
    assert [window.tokens for window in windows] == [
        list(range(start, start + 8)) for start in (0, 8, 16)
    ]
    assert {window.scored for window in windows} == {3}
    started = list(disjoint(range(8), 8, 99))
    assert started[0].tokens == [99, 1, 2, 3, 4, 5, 6, 7]
    with pytest.raises(ParameterError, match="size can't be 3"):
        list(disjoint(range(9), 3, None))
