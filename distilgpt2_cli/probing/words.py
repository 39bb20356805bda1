"""Counts the words of completions."""

import re
from collections import Counter

_WORD = re.compile(r"[^\W_]+(?:['\u2019\-][^\W_]+)*")


def words_of(prompt: str, text: str, *, cut: bool) -> Counter[str]:
    """Count the words of a completion, in lower case.

    A word is letters and digits, with apostrophes and hyphens between them. Two words are not
    counted: the rest of the prompt's last word, and, if the completion was ``cut`` by the token
    limit, a last word that may be incomplete.
    """
    matches = list(_WORD.finditer(text))
    if matches and matches[0].start() == 0 and _WORD.fullmatch(prompt[-1:]):
        del matches[0]
    if cut and matches and matches[-1].end() == len(text):
        del matches[-1]
    return Counter(match.group().lower() for match in matches)
