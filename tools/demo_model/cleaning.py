"""Rules that turn a raw completion into a story, or reject it."""

from __future__ import annotations

import re

MIN_WORDS = 30
MIN_SENTENCES = 3

_TALK_ABOUT_THE_TASK = re.compile(
    r"\b((this|the|my|short|simple) (story|stories|title|sentences?)|author|reader|paragraph|"
    r"chapter|user|assistant|AI|word limit|prompt|moral)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?][\"']?(?=\s|$)")


def collapse_whitespace(text: str) -> str:
    """Return ``text`` as one paragraph with single spaces."""
    return " ".join(text.split())


def clean_story(text: str) -> str | None:
    """Return the story cut after its last whole sentence, or None if it is rejected.

    The cut goes back further while a quotation mark is left open. Rejected are texts that talk
    about the task, that repeat a sentence, and that have fewer than ``MIN_WORDS`` words or
    ``MIN_SENTENCES`` sentences.

    Args:
        text: opening and completion; the result is a prefix of its collapsed form.
    """
    text = collapse_whitespace(text)
    if _TALK_ABOUT_THE_TASK.search(text):
        return None
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    while ends and text.count('"', 0, ends[-1]) % 2:
        ends.pop()
    if len(ends) < MIN_SENTENCES:
        return None
    starts = [0, *ends[:-1]]
    sentences = [text[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    story = text[: ends[-1]]
    if len(set(sentences)) < len(sentences) or len(story.split()) < MIN_WORDS:
        return None
    return story
