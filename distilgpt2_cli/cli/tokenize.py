"""``distil tokenize``: the tokens of a text, and the text of tokens."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from ..models import ModelFile
from ..terminal import Terminal
from .shared.csv_table import CsvTable
from .shared.model_options import FileOptions
from .shared.offload import notice_loading
from .shared.options import FormatOptions, Quiet, TextsOptions, check_only_one
from .shared.record import file_record, piece_record, quoted, versions_record
from .shared.texts import InputLines, prepared, read_parts

if TYPE_CHECKING:
    from ..engine import Model
    from ..terminal.progress import Advance

EXAMPLES = """\b
Examples:
  distil tokenize "Once upon a time"
  distil tokenize --count < book.txt
  distil tokenize --ids "To be" | distil tokenize --decode
  distil tokenize --lines --json < texts.txt | jq .tokens.text
"""

_COLUMNS = ("position", "id", "text", "bytes")
_SEPARATORS = re.compile(r"[\s,\[\]]+")


def tokenize(
    *,
    text: TextsOptions,
    model: FileOptions,
    ids: Annotated[bool, typer.Option("--ids", help="Print token ids.")] = False,
    count: Annotated[bool, typer.Option("--count", help="Print the number of tokens.")] = False,
    decode: Annotated[
        bool, typer.Option("--decode", help="Read token ids, and print their bytes.")
    ] = False,
    special: Annotated[
        bool,
        typer.Option("--special", help="Parse special tokens such as <|endoftext|> in the text."),
    ] = False,
    output: FormatOptions,
    quiet: Quiet = False,
) -> None:
    """Show the tokens of a text, or decode token ids.

    The text can be any bytes, UTF-8 or not, and --decode restores exactly those bytes. No start
    token is added, and a byte order mark is kept. With --lines, the token ids of each line are
    printed on one line.
    """
    wanted = {"--ids": ids, "--count": count, "--decode": decode}
    check_only_one(wanted)
    mode = next((name for name, given in wanted.items() if given), None)
    if decode and special:
        raise UsageError(
            "--special has no effect with --decode, which always prints special tokens.",
            "Leave out --special.",
        )
    terminal = Terminal.system(quiet=quiet)
    if text.lines:
        texts = InputLines(terminal, text, "tokenize", exact=True)
    else:
        parts = read_parts(terminal, text, exact=True)
    file = model.locate(terminal)
    from ..engine.llama.loading import load
    from ..engine.llama.placement import CPU_ONLY

    with load(file.path, CPU_ONLY) as loaded:
        notice_loading(terminal, loaded.placement)
        view = _View(terminal, file, loaded, special, text.lines, mode, output)
        counting = terminal.counting if count else terminal.counting_results
        if not text.lines:
            with counting("characters", None) as advance:
                view.write(view.tokens(_counted(parts, advance)))
            return
        with counting("texts", None) as advance:
            for number, _, tokens in prepared(texts, lambda line: view.tokens([line])):
                view.write(tokens, number)
                advance(1)
        texts.check()


def _counted(parts: Iterable[str], advance: "Advance") -> Iterator[str]:
    """Yield the parts of a text, and report their characters."""
    for part in parts:
        yield part
        advance(len(part))


class _View:
    """Shows the tokens of one text after another."""

    def __init__(
        self,
        terminal: Terminal,
        file: ModelFile,
        model: "Model",
        special: bool,
        lines: bool,
        mode: str | None,
        output: FormatOptions,
    ) -> None:
        self._terminal = terminal
        self._file = file
        self._model = model
        self._special = special
        self._lines = lines
        self._mode = mode
        self._json = output.json
        self._table: CsvTable | None = None
        if output.csv:
            columns = ("tokens",) if mode == "--count" else _COLUMNS
            self._table = CsvTable(terminal, ("line",) * lines + columns)

    def tokens(self, parts: Iterable[str]) -> Iterable[int]:
        """Return the tokens of a text that comes in parts, or with ``--decode`` those it lists.

        Raises:
            UsageError: with ``--decode``, the text is not a list of token ids.
        """
        if self._mode == "--decode":
            return parse_ids("".join(parts), self._model.vocabulary_size)
        from ..engine import stream_tokens

        found = stream_tokens(self._model, parts, parse_special=self._special)
        return list(found) if self._lines else found

    def write(self, tokens: Iterable[int], number: int = 1) -> None:
        """Print the tokens of a text."""
        if self._json:
            self._write_record(list(tokens), number)
        elif self._mode == "--count":
            self._write_count(sum(1 for _ in tokens), number)
        elif self._table:
            self._write_rows(self._table, tokens, number)
        elif self._mode == "--decode":
            self._write_bytes(tokens)
        elif self._mode == "--ids" or self._lines:
            self._write_ids(tokens)
        else:
            self._write_table(tokens)

    def _write_record(self, tokens: list[int], number: int) -> None:
        data = b"".join(self._model.piece(token, special=True) for token in tokens)
        record: dict[str, object] = {"line": number} if self._lines else {}
        record |= {
            "text": data.decode(errors="replace"),
            "tokens": {"text": len(tokens)},
            "ids": tokens,
            "pieces": [piece_record(self._model, token) for token in tokens],
            "model": file_record(self._file),
            "warnings": list(self._model.placement.warnings),
            "versions": versions_record(),
        }
        self._terminal.write_json(record)

    def _write_count(self, count: int, number: int) -> None:
        if self._table:
            self._table.write([{"line": number, "tokens": count}])
        else:
            self._terminal.write(f"{count}\n")

    def _write_rows(self, table: CsvTable, tokens: Iterable[int], number: int) -> None:
        start = 0
        for batch in _batches(tokens):
            table.write(
                {"line": number, "position": position} | piece_record(self._model, token)
                for position, token in enumerate(batch, start)
            )
            start += len(batch)

    def _write_bytes(self, tokens: Iterable[int]) -> None:
        data = b"".join(self._model.piece(token, special=True) for token in tokens)
        self._terminal.write(data.decode(errors="surrogateescape"))
        if self._lines or self._terminal.stdout_is_terminal:
            self._terminal.write("\n")

    def _write_ids(self, tokens: Iterable[int]) -> None:
        separator = ""
        for batch in _batches(tokens):
            self._terminal.write(separator + " ".join(map(str, batch)))
            separator = " "
        self._terminal.write("\n")

    def _write_table(self, tokens: Iterable[int]) -> None:
        self._terminal.write("POSITION      ID  TOKEN\n")
        position = 0
        for batch in _batches(tokens):
            rows = []
            for token in batch:
                piece = quoted(self._model.piece(token, special=True))
                rows.append(f"{position:>8}  {token:>6}  {piece}\n")
                position += 1
            self._terminal.write("".join(rows))


def parse_ids(text: str, vocabulary_size: int) -> list[int]:
    """Return the token ids in a text, separated by white space or as a JSON array.

    Raises:
        UsageError: the text has anything else, or a number that is not a token id.
    """
    words = [word for word in _SEPARATORS.split(text) if word]
    for word in words:
        # A token id has fewer digits, and Python refuses to convert very long numbers.
        if not (re.fullmatch("[0-9]{1,9}", word) and int(word) < vocabulary_size):
            raise UsageError(
                f"{word[:40]!r} is not a token id.",
                f"Use numbers from 0 to {vocabulary_size - 1}, separated by spaces.",
            )
    return [int(word) for word in words]


def _batches(tokens: Iterable[int], size: int = 4096) -> Iterator[list[int]]:
    """Yield tokens in lists, to write many at once."""
    rest = iter(tokens)
    while batch := list(islice(rest, size)):
        yield batch
