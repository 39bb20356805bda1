"""Pairs of texts from the files that others publish."""

import pytest

from distilgpt2_cli.errors import DistilError
from distilgpt2_cli.probing.pair_files import is_winobias, read_lines, winobias_pairs
from distilgpt2_cli.probing.pairs import Pair


def lines(text: str) -> list[tuple[int, str]]:
    return list(enumerate(text.split("\n"), 1))


def test_csv_with_our_names() -> None:
    """An empty cell counts as missing, and blank lines and line ends in texts are counted."""
    text = 'less,more,prompt,type,id\n\n b," ""a"",\nc",,,7\n d, e,He said,t,\n'
    first, second = read_lines(lines(text))
    assert first == Pair(3, ' "a",\nc', " b", extra={"id": "7"})
    assert second == Pair(5, " e", " d", "t", "He said", extra={"id": ""})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("more,less\na,b,c", "Line 2 has 3 cells, and the header 2."),
        ('more,less\na,b\nc,"d" e', "Line 3 is not CSV: "),
        ("more,less\na,", '"less" in line 2 is empty or not a text.'),
        ("sent_more,sent_less,line\na,b,1", '"line" in line 2 is the name of a result.'),
        ("sent_more;sent_less\na;b", "Line 1 is not JSON: "),
    ],
)
def test_csv_that_can_t_be(text: str, message: str) -> None:
    with pytest.raises(DistilError) as caught:
        read_lines(lines(text))
    assert caught.value.what.startswith(message)


def test_what_is_winobias() -> None:
    for sentence in ("1 [The cook] ate, [she] said.", "When [the cook] ate, [she] and [her] cat."):
        assert is_winobias(lines(f"\n{sentence}\n"))
    for other in (
        '{"more": "[a] [b]", "less": "c"}',
        "[1, 2]",
        "sent_more,sent_less",
        "The [cook].",
        "",
    ):
        assert not is_winobias(lines(other))


@pytest.mark.parametrize(
    ("more", "less", "message"),
    [
        ("[A] is [he].", "[A] is [she].\n[B] is [he].", "The two files have 1 and 2 sentences."),
        ("[A] is [he].", "[A] is [it].", "Line 1 has no pronoun in brackets in one of the files."),
        ("[A] is [he].", "[A] is [he].", "Line 1 is the same in both files."),
    ],
)
def test_winobias_that_can_t_be(more: str, less: str, message: str) -> None:
    with pytest.raises(DistilError) as caught:
        winobias_pairs(lines(more), lines(less))
    assert caught.value.what == message
