"""The inputs of a probe: pairs of texts, and continuations to measure after each variant."""

from ...errors import DistilError, UsageError
from ...probing.pairs import Pair, parse_pair
from ...terminal import Terminal
from ..shared.texts import argument_text, notice_file_name, read_file_lines


def read_pairs(terminal: Terminal, name: str) -> list[Pair]:
    """Return the pairs of a file; blank lines are ignored."""
    lines = read_file_lines(terminal, name)
    found = [parse_pair(text, number) for number, text in lines if text.strip()]
    if not found:
        raise DistilError(f"{name} has no pairs.", "Write one per line; see docs/probe.md.")
    return found


def read_continuations(terminal: Terminal, given: list[str], name: str | None) -> list[str]:
    """Return the texts of ``--continuation``, and then those of the file.

    Raises:
        DistilError: one of them is empty, or can't be read.
    """
    texts = [argument_text(text, "A continuation") for text in given]
    if "" in texts:
        raise UsageError("--continuation is empty.", "Use at least one character.")
    for text in texts:
        notice_file_name(terminal, text, " Use --continuations to read a file.")
    for number, text in [] if name is None else read_file_lines(terminal, name):
        if not text:
            raise DistilError(f"Line {number} of {name} is empty.", "Write a text on each line.")
        texts.append(text)
    return texts
