"""The constraint of a text: a grammar, a JSON schema or choices, as one grammar."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ...errors import UsageError

MAX_BYTES = 2**20
"""The largest file: a larger one can't be a grammar or a schema that someone wrote."""

GrammarFile = Annotated[
    str | None,
    typer.Option(
        "--grammar",
        metavar="FILE",
        help="Generate only text that follows this GBNF grammar.",
        show_default=False,
    ),
]
JsonSchema = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Generate only JSON that follows this schema.", show_default=False
    ),
]
Choices = Annotated[
    str | None,
    typer.Option(metavar="A|B|C", help="Generate one of these texts.", show_default=False),
]


@dataclass(frozen=True)
class ConstraintOptions:
    """The constraint that every text follows; none for any text."""

    grammar: GrammarFile = None
    json_schema: JsonSchema = None
    choices: Choices = None

    def read(self) -> str | None:
        """Return the grammar that the options give, None for no constraint.

        Raises:
            UsageError: more than one is given, a file can't be read, or the schema is refused.
        """
        given = {
            "--grammar": self.grammar,
            "--json-schema": self.json_schema,
            "--choices": self.choices,
        }
        names = [name for name, value in given.items() if value is not None]
        if len(names) > 1:
            raise UsageError(f"{names[0]} and {names[1]} can't be combined.", "Use one of them.")
        if self.grammar is not None:
            return _read(self.grammar, "--grammar")
        if self.json_schema is not None:
            from ...engine.grammar.json_schema import to_grammar

            return to_grammar(_read(self.json_schema, "--json-schema"))
        return None if self.choices is None else _of_choices(self.choices)


def _of_choices(choices: str) -> str:
    texts = choices.split("|")
    if "" in texts:
        raise UsageError("--choices has an empty choice.", "Use a single | between two texts.")
    return "root ::= " + " | ".join(map(_literal, texts)) + "\n"


def _literal(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError("--choices is not UTF-8 text.", "Write it in UTF-8.") from None
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08X}"


def _read(name: str, option: str) -> str:
    try:
        with Path(name).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"Can't read {name}: {error.strerror}.", f"Check the file name after {option}."
        ) from None
    if len(data) > MAX_BYTES:
        raise UsageError(
            f"{name} is larger than {MAX_BYTES} bytes.", f"Check the file name after {option}."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{name} is not UTF-8 text: line {line} has the byte 0x{data[error.start]:02x}.",
            "Convert it first, for example with: iconv -f LATIN1 -t UTF-8.",
        ) from None
