"""Items from lines of JSON."""

import json
from collections.abc import Mapping
from typing import Any

from ..errors import DistilError
from .formats import item_of
from .items import REMEDY, RESULTS, Item


def parse_item(line: str) -> Item:
    """Return the item that a line of JSON describes, in our format or in that of a data set.

    Raises:
        DistilError: the line is not a valid item.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, json.JSONDecodeError) else "it can't be parsed"
        raise DistilError(f"It is not JSON: {what}.", REMEDY) from None
    if not isinstance(found, dict):
        raise DistilError("It is not a JSON object.", REMEDY)
    item = item_of(found)
    _check_texts(item)
    _check_extra(item.extra)
    return item


def _check_texts(item: Item) -> None:
    if len(item.choices) < 2:
        raise DistilError("It has fewer than two choices.", REMEDY)
    if "" in item.choices:
        raise DistilError("One of its choices is empty.", "Write at least one character.")
    if item.gold is not None and not 0 <= item.gold < len(item.choices):
        raise DistilError(
            f"Its right choice is number {item.gold}, and it has {len(item.choices)}.",
            "Count from 0.",
        )
    for text in (item.context, item.continuation, *item.choices):
        if any(0xD800 <= ord(character) < 0xE000 for character in text):
            raise DistilError(
                "It has half a character (a lone surrogate).",
                "Write the character itself, in UTF-8.",
            )


def _check_extra(extra: Mapping[str, Any]) -> None:
    for name, value in extra.items():
        if name in RESULTS:
            raise DistilError(f'"{name}" is the name of a result.', "Give it another name.")
        try:
            json.dumps(value, allow_nan=False)
        except ValueError:
            raise DistilError(
                f'"{name}" has a number that JSON does not have.', "Leave it out."
            ) from None
