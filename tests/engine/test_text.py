"""Bytes to text, at every split."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from distilgpt2_cli.engine.text import TextStream

pieces = st.lists(st.binary(max_size=5) | st.text(max_size=3).map(str.encode), max_size=20)
# Few letters, so that stop sequences occur, overlap and begin in vain.
letters = st.text("ab\N{GREEK SMALL LETTER ALPHA}", max_size=30)
stops = st.lists(st.text("ab\N{GREEK SMALL LETTER ALPHA}", min_size=1, max_size=4), max_size=3)


def streamed(stream: TextStream, parts: list[bytes]) -> str:
    text = ""
    for part in parts:
        text += stream.feed(part)
        if stream.stopped:
            break
    return text + stream.finish()


@given(pieces)
def test_any_split_of_any_bytes_gives_the_same_text(parts: list[bytes]) -> None:
    assert streamed(TextStream(), parts) == b"".join(parts).decode(errors="replace")


@given(st.text(max_size=20), st.lists(st.integers(0, 80), max_size=10))
def test_whole_characters_only_and_as_soon_as_they_are_whole(text: str, cuts: list[int]) -> None:
    data = text.encode()
    bounds = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    stream, shown = TextStream(), ""
    for start, end in itertools.pairwise(bounds):
        shown += stream.feed(data[start:end])
        assert shown == data[:end].decode(errors="ignore")


@given(letters, stops, st.lists(st.integers(0, 60), max_size=10))
def test_stopping_is_cutting_the_whole_afterwards(
    text: str, stops: list[str], cuts: list[int]
) -> None:
    data = text.encode()
    bounds = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    parts = [data[start:end] for start, end in itertools.pairwise(bounds)]
    found = [place for place in map(text.find, stops) if place >= 0]
    stream = TextStream(stops)
    assert streamed(stream, parts) == text[: min(found, default=len(text))]
    assert stream.stopped == bool(found)


@given(letters, stops)
def test_nothing_of_a_stop_sequence_is_shown_early(text: str, stops: list[str]) -> None:
    stream, shown = TextStream(stops), ""
    for character in text:
        shown += stream.feed(character.encode())
        assert not any(shown.endswith(stop) for stop in stops)


def test_bytes_that_are_not_utf8_do_not_stall() -> None:
    stream = TextStream()
    assert stream.feed(b"a\xff") == "a\ufffd"
    assert stream.feed(b"\xe2\x82") == ""
    assert stream.feed(b"b") == "\ufffdb"
    assert stream.feed(b"\xf0\x9f") + stream.finish() == "\ufffd"
