"""The inputs of a probe: pairs of texts, and continuations to measure after each variant."""

from collections.abc import Sequence
from pathlib import PurePath

from ...errors import DistilError, UsageError
from ...probing.pair_files import is_winobias, read_lines, winobias_pairs
from ...probing.pairs import PAIR_REMEDY, Pair, extra_names
from ...terminal import Terminal
from ..shared.sources import check_read_once
from ..shared.texts import argument_text, notice_file_name, read_file_lines

_BOTH = "Use --pairs twice, with a pro-stereotyped file and its anti-stereotyped file."


def read_pairs(terminal: Terminal, names: Sequence[str]) -> list[Pair]:
    """Return the pairs of one file, or of the two that WinoBias has for each test.

    Raises:
        UsageError: there are two files that are not of WinoBias, or only one of them.
        DistilError: a file can't be read, or has no valid pairs.
    """
    check_read_once(names)
    files = [read_file_lines(terminal, name) for name in names]
    if any(map(is_winobias, files)):
        if len(files) != 2:
            raise UsageError(f"{names[0]} has one sentence of each pair, as in WinoBias.", _BOTH)
        # Named as in the release, their order does not matter.
        anti_first = [PurePath(name).name.startswith("anti_") for name in names] == [True, False]
        return winobias_pairs(*(reversed(files) if anti_first else files))
    if len(files) != 1:
        raise UsageError("--pairs takes two files of WinoBias, or one other file.", _BOTH)
    found = read_lines(files[0])
    if not found:
        raise DistilError(f"{names[0]} has no pairs.", PAIR_REMEDY)
    if extra := extra_names(found):
        shown = ", ".join(f'"{name}"' for name in extra)
        terminal.notice(f"Fields that are only kept in the output: {shown}.")
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
