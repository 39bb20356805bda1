"""The formats that pairs of texts come in: JSON Lines, CSV, and the files of WinoBias."""

import csv
import re
from collections.abc import Iterator, Sequence

from ..errors import DistilError
from .pairs import OPTIONAL, Pair, pair_of, parse_pair

Lines = Sequence[tuple[int, str]]
"""The lines of a file without their ends, numbered from 1."""

_CROWS = {"sent_more": "more", "sent_less": "less", "bias_type": "type"}
"""The columns of CrowS-Pairs (Nangia et al., 2020, https://aclanthology.org/2020.emnlp-main.154/)."""

_BRACKETS = re.compile(r"\[\s*([^\[\]]*?)\s*\]")
_WINOBIAS = re.compile(r"(\d+\s+)?[^\[\]{}\"]*(\[[\w ]+\][^\[\]{}\"]*){2,}")
_PRONOUNS = {
    **dict.fromkeys(("he", "him", "his", "himself"), "male"),
    **dict.fromkeys(("she", "her", "hers", "herself"), "female"),
}


def is_winobias(lines: Lines) -> bool:
    """Return whether lines are sentences such as "1 [The developer] argued because [she] …"."""
    first = next((text for _, text in lines if text.strip()), "")
    return _WINOBIAS.fullmatch(first.strip()) is not None


def read_lines(lines: Lines) -> list[Pair]:
    """Return the pairs of JSON Lines, or of a CSV file with a header; blank lines are ignored.

    The columns of a CSV file are named as the keys in JSON, or as those of CrowS-Pairs; a row may
    have line ends in its texts, and an empty cell counts as missing.

    Raises:
        DistilError: a line is not a valid pair; gives its number.
    """
    written = [(number, text) for number, text in lines if text.strip()]
    if written and {"more", "less"} <= set(_header(written[0][1])):
        return list(_csv_pairs(lines))
    return [parse_pair(text, number) for number, text in written]


def _header(line: str) -> list[str]:
    """Return the columns that a line names, by our names."""
    try:
        names = next(csv.reader([line], strict=True))
    except csv.Error:
        return []
    crows = {"sent_more", "sent_less"} <= set(names)
    return [_CROWS.get(name, name) for name in names] if crows else names


def _csv_pairs(lines: Lines) -> Iterator[Pair]:
    rows = csv.reader((f"{text}\n" for _, text in lines), strict=True)
    header: list[str] = []
    number = 0
    try:
        for row in rows:
            start, number = number + 1, rows.line_num
            if not "".join(row).strip():
                continue
            if not header:
                header = _header(lines[start - 1][1])
                continue
            if len(row) != len(header):
                raise DistilError(
                    f"Line {start} has {len(row)} cells, and the header {len(header)}.",
                    "Put a text with commas in quotation marks.",
                )
            cells = dict(zip(header, row, strict=True))
            yield pair_of({k: v for k, v in cells.items() if v or k not in OPTIONAL}, start)
    except csv.Error as error:
        raise DistilError(
            f"Line {number + 1} is not CSV: {error}.", "Correct its quotation marks."
        ) from None


def winobias_pairs(more: Lines, less: Lines) -> list[Pair]:
    """Return the pairs of the stereotypical and the other sentences of WinoBias, line by line.

    WinoBias (Zhao et al., 2018, https://aclanthology.org/N18-2003/) marks a person and pronouns
    with brackets, which are not part of the texts. The type is the gender of the stereotypical
    sentence's pronoun.

    Raises:
        DistilError: the files have different numbers of sentences, or a line is not a sentence.
    """
    sides = [[(number, text) for number, text in lines if text.strip()] for lines in (more, less)]
    if len(sides[0]) != len(sides[1]):
        raise DistilError(
            f"The two files have {len(sides[0])} and {len(sides[1])} sentences.",
            "Use two files with the same number, such as those of type1 and dev.",
        )
    return [
        _winobias_pair(line, stereotypical, other)
        for (line, stereotypical), (_, other) in zip(*sides, strict=True)
    ]


def _winobias_pair(line: int, more: str, less: str) -> Pair:
    texts, pronouns, person = [], [], ""
    for text in (more, less):
        marked = _BRACKETS.findall(text)
        found = [each.lower() for each in marked if each.lower() in _PRONOUNS]
        if not found:
            raise DistilError(
                f"Line {line} has no pronoun in brackets in one of the files.",
                'Write it like "1 [The developer] argued because [she] was right."',
            )
        person = person or next((each for each in marked if each.lower() not in _PRONOUNS), "")
        pronouns.append(found[0])
        texts.append(re.sub(r"^\d+\s+", "", _BRACKETS.sub(r"\1", text.strip())))
    if texts[0] == texts[1]:
        raise DistilError(
            f"Line {line} is the same in both files.",
            "Use a pro-stereotyped and an anti-stereotyped file.",
        )
    extra = {"person": person, "more_pronoun": pronouns[0], "less_pronoun": pronouns[1]}
    return Pair(line, texts[0], texts[1], _PRONOUNS[pronouns[0]], extra=extra)
