"""The constraint of a text: a grammar, a JSON schema or choices, as one grammar."""

from dataclasses import dataclass
from typing import Annotated

import typer

from ...errors import DistilError, UsageError
from ...terminal import Terminal
from ..shared.escapes import option_texts
from ..shared.options import source_option
from ..shared.sources import decoded, read_source

MAX_BYTES = 2**20
"""The largest file: a larger one can't be a grammar or a schema that someone wrote."""

GrammarFile = Annotated[
    str | None,
    source_option(
        "Generate only text that follows this GBNF grammar; - for standard input.", "--grammar"
    ),
]
JsonSchema = Annotated[
    str | None,
    source_option("Generate only JSON that follows this schema; - for standard input."),
]
Choices = Annotated[
    str | None,
    typer.Option(
        metavar="A|B|C",
        help=r"Generate one of these texts; escapes as in --stop, and \| for a bar.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class ConstraintOptions:
    """The constraint that every text follows; none for any text."""

    grammar: GrammarFile = None
    json_schema: JsonSchema = None
    choices: Choices = None

    def read(self, terminal: Terminal, *, literal: bool) -> str | None:
        """Return the grammar that the options give, None for no constraint.

        Args:
            terminal: whose standard input it is.
            literal: a backslash in a choice stands for itself.

        Raises:
            UsageError: more than one is given, a file can't be read, or the schema is refused.
            DistilError: the choices are not UTF-8.
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
            return _read(terminal, self.grammar, "--grammar")
        if self.json_schema is not None:
            from ...engine.grammar.json_schema import to_grammar

            return to_grammar(_read(terminal, self.json_schema, "--json-schema"))
        if self.choices is None:
            return None
        return _of(option_texts(self.choices, "--choices", literal=literal, separator="|"))


def _of(choices: list[str]) -> str:
    if "" in choices:
        raise UsageError("--choices has an empty choice.", "Use a single | between two texts.")
    from ...engine.grammar.choices import to_grammar

    return to_grammar(choices)


def _read(terminal: Terminal, name: str, option: str) -> str:
    remedy = f"Check the file name after {option}."
    data = b""
    try:
        for part in read_source(terminal, name, remedy):
            data += part
            if len(data) > MAX_BYTES:
                raise UsageError(f"{name} is larger than {MAX_BYTES} bytes.", remedy)
        return "".join(decoded([data], name))
    except DistilError as error:
        raise UsageError(error.what, error.remedy) from None
