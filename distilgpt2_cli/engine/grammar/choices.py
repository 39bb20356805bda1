"""Grammars whose texts are a few given ones."""

from collections.abc import Sequence


def to_grammar(choices: Sequence[str]) -> str:
    """Return a grammar in GBNF that allows just these texts, none of them empty."""
    return "root ::= " + " | ".join(map(_literal, choices)) + "\n"


def _literal(text: str) -> str:
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08X}"
