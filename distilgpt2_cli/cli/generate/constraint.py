"""What the text is held to: a grammar, a JSON schema or choices, as one grammar."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ...errors import UsageError

MAX_BYTES = 2**20
"""A larger file is no grammar that a person or a program means."""

GrammarFile = Annotated[
    str | None,
    typer.Option(
        "--grammar",
        metavar="FILE",
        help="Only texts that follow this grammar in GBNF.",
        show_default=False,
    ),
]
JsonSchema = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Only JSON that fits this schema.", show_default=False),
]
Choices = Annotated[
    str | None,
    typer.Option(metavar="A|B|C", help="Only one of these texts.", show_default=False),
]


@dataclass(frozen=True)
class ConstraintOptions:
    """What every text follows; any text if none is given."""

    grammar: GrammarFile = None
    json_schema: JsonSchema = None
    choices: Choices = None

    def read(self) -> str | None:
        """Return the grammar that the options give, None for no constraint.

        Raises:
            UsageError: more than one is given, a file can't be read, or the schema can't be obeyed.
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
        raise UsageError(
            "--choices has an empty one, which no text shows.", "Put one | between two texts."
        )
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
            f"The file {name} can't be read: {error.strerror}.", f"Check {option}."
        ) from None
    if len(data) > MAX_BYTES:
        raise UsageError(f"The file {name} is larger than {MAX_BYTES} bytes.", f"Check {option}.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"The file {name} is not UTF-8 text: line {line} has the byte"
            f" 0x{data[error.start]:02x}.",
            "Convert it first, for instance with: iconv -f LATIN1 -t UTF-8.",
        ) from None
