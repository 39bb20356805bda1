"""The fields of items: our own, and those of HellaSwag, WinoGrande and BLiMP."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import DistilError
from .items import REMEDY, Item

Fields = Mapping[str, Any]

_BRACKETS = re.compile(r"\[.*?\]")


def item_of(found: Fields) -> Item:
    """Return the item that named values describe; unknown names are its `extra`.

    Raises:
        DistilError: they are not a valid item, or could be items of two formats.
    """
    fitting = [names for names in _FORMATS if found.keys() >= set(names)]
    if len(fitting) > 1:
        first, second = (" and ".join(f'"{name}"' for name in names) for names in fitting[:2])
        raise DistilError(f"It has {first}, and also {second}.", "Leave out those of one format.")
    if not fitting:
        missing = "choices" if "context" in found else "context"
        raise DistilError(f'It has no "{missing}".', REMEDY)
    return _FORMATS[fitting[0]](found)


def _own(found: Fields) -> Item:
    gold = found.get("gold")
    if not (gold is None or (isinstance(gold, int) and not isinstance(gold, bool))):
        raise DistilError('"gold" is not a number.', "Use the number of the right choice, from 0.")
    context, choices = _text(found, "context"), _texts(found, "choices")
    return Item("choices", context, choices, gold, extra=_rest(found, "context", "choices", "gold"))


def _hellaswag(found: Fields) -> Item:
    """Return an item of HellaSwag (Zellers et al., 2019, https://aclanthology.org/P19-1472/).

    Its texts are made as lm-evaluation-harness makes them (lm_eval/tasks/hellaswag/utils.py), and
    those who made the file that llama.cpp's program reads.
    """
    context = _text(found, "ctx")
    if "ctx_a" in found and "ctx_b" in found:
        context = f"{_text(found, 'ctx_a')} {_text(found, 'ctx_b').capitalize()}"
    if "activity_label" in found:
        context = f"{_text(found, 'activity_label')}: {context}"
    endings = tuple(map(_without_marks, _texts(found, "endings")))
    extra = _rest(found, "ctx", "endings", "label")
    return Item("choices", _without_marks(context), endings, _number(found, "label"), extra=extra)


def _without_marks(text: str) -> str:
    """Return a text of WikiHow without its marks, such as [title]."""
    text = _BRACKETS.sub("", text.strip().replace(" [title]", ". "))
    return text.replace("  ", " ")


def _winogrande(found: Fields) -> Item:
    """Return an item of WinoGrande (Sakaguchi et al., 2020, https://arxiv.org/abs/1907.10641)."""
    sentence = _text(found, "sentence")
    context, blank, continuation = sentence.partition("_")
    if not (blank and continuation):
        raise DistilError(
            'Its "sentence" has no blank with a text after it.', "Write _ for the blank."
        )
    answer = _number(found, "answer")
    return Item(
        "blank",
        context,
        (_text(found, "option1"), _text(found, "option2")),
        None if answer is None else answer - 1,
        continuation,
        _rest(found, "sentence", "option1", "option2", "answer"),
    )


def _blimp(found: Fields) -> Item:
    """Return a pair of BLiMP (Warstadt et al., 2020, https://aclanthology.org/2020.tacl-1.25/)."""
    sentences = _text(found, "sentence_good"), _text(found, "sentence_bad")
    return Item("pair", "", sentences, 0, extra=_rest(found, "sentence_good", "sentence_bad"))


_FORMATS: Mapping[Sequence[str], Callable[[Fields], Item]] = {
    ("context", "choices"): _own,
    ("ctx", "endings"): _hellaswag,
    ("sentence", "option1", "option2"): _winogrande,
    ("sentence_good", "sentence_bad"): _blimp,
}


def _text(found: Fields, name: str) -> str:
    value = found[name]
    if not isinstance(value, str):
        raise DistilError(f'"{name}" is not a text.', REMEDY)
    return value


def _texts(found: Fields, name: str) -> tuple[str, ...]:
    value = found[name]
    if not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        raise DistilError(f'"{name}" is not a list of texts.', REMEDY)
    return tuple(value)


def _number(found: Fields, name: str) -> int | None:
    """Return a number that may be written as a text, None if there is none."""
    value = str(found.get(name, "")).strip()
    if value in ("", "None"):
        return None
    if not (value.isascii() and value.isdecimal()):
        raise DistilError(f'"{name}" is not a number.', "Use the number of the right choice.")
    return int(value)


def _rest(found: Fields, *known: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in known}
