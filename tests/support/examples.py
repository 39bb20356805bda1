"""The examples of the documentation, and what of their output holds on every processor."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distilgpt2_cli.engine.llama.bindings import features

ROOT = Path(__file__).parents[2]
OMISSION = "…"
IS_DOCUMENTED_BUILD = features() == next(
    iter(json.loads((ROOT / "tests/cli/golden_demo.json").read_text())["builds"])
)
"""Whether the documentation's outputs are those of a build like this one, the first of the file."""

_NUMBER = re.compile(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")
_QUOTED = re.compile(r'"[^"]*"')
_COMPUTING = re.compile(
    r"distil (?:generate|next|score|perplexity|choose|features|lens|probe|batch|map)\b"
)


@dataclass(frozen=True)
class Example:
    """A command of a page, and the output that stands below it."""

    page: str
    command: str
    output: str

    @property
    def is_whole(self) -> bool:
        """Whether the page shows all of the output."""
        return OMISSION not in self.output

    @property
    def is_computed(self) -> bool:
        """Whether the output is of a model, and so may differ from processor to processor."""
        return bool(_COMPUTING.search(self.command)) and not self.output.startswith("Error: ")

    @property
    def command_before_jq(self) -> str:
        """The command without the filter that its output goes through."""
        return self.command.partition(" | jq ")[0]

    @property
    def json_filter(self) -> str:
        """The filter of jq that the output goes through, if any."""
        return re.sub(r"^(-\w+ )*'?", "", self.command.partition(" | jq ")[2])

    @property
    def is_text(self) -> bool:
        """Whether the output is what a model has written."""
        return self.command.rpartition("distil ")[2].startswith("generate ")


def examples() -> Iterator[Example]:
    """Yield the examples of all pages."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        page = str(path.relative_to(ROOT))
        for block in re.findall(r"```console\n(.*?)```", path.read_text(), re.DOTALL):
            for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, output = example.partition("\n")
                yield Example(page, command, output.rstrip("\n"))


def block(page: str, language: str, beginning: str) -> str:
    """Return the block of a page that begins so."""
    (found,) = (
        text
        for text in re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
        if text.startswith(beginning)
    )
    return str(found)


def check_bytes(example: Example, output: str) -> None:
    """Assert that an output is the documented one, but for what the page leaves out."""
    _check_lines(example.output, output.rstrip("\n"), lambda text: text)


def check_shape(example: Example, output: str) -> None:
    """Assert that an output has the form of the documented one: all but texts and figures."""
    output = output.rstrip("\n")
    if (documented := _json(example.output)) is not None:
        came = _json(output)
        assert came is not None, f"not JSON: {output!r}"
        assert len(came) == len(documented)
        assert [_types(value) for value in came] == [_types(value) for value in documented]
    elif example.is_text:
        _check_text(example, output)
    else:
        _check_lines(example.output, output, _without_figures)


def check_filtered(filter_: str, output: str) -> None:
    """Assert that an output is JSON Lines with the keys that a filter of jq begins with."""
    records = [json.loads(line) for line in output.splitlines()]
    assert records
    keys = re.findall(r"[{,] *(\w+)" if filter_.startswith("{") else r"^\.(\w+)", filter_)
    assert keys
    for record in records:
        assert set(keys) <= record.keys()


def _json(output: str) -> list[Any] | None:
    """Return the JSON values that an output is made of, or None if it is something else."""
    values, decoder = [], json.JSONDecoder()
    while output := output.lstrip():
        try:
            value, end = decoder.raw_decode(output)
        except ValueError:
            return None
        values.append(value)
        output = output[end:]
    return values or None


def _types(value: Any) -> Any:
    """Return a value's keys and types, and of a list the types that are in it."""
    if isinstance(value, dict):
        return {key: _types(item) for key, item in value.items()}
    if isinstance(value, list):
        # Which strings a model puts into a list, if any, is its own matter.
        return ["list", *{repr(_types(item)) for item in value if not isinstance(item, str)}]
    return "number" if type(value) in (int, float) else type(value).__name__


def _check_text(example: Example, output: str) -> None:
    if "--lines" in example.command or "--one-line" in example.command:
        assert output.count("\n") == example.output.count("\n"), output
    parts = [part for part in output.split("\n\n") if part.strip()]
    assert len(parts) >= len(example.output.split("\n\n")), output
    if choices := re.search("--choices '([^']*)'", example.command):
        assert set(output.split("\n")) <= set(choices[1].split("|")), output


def _without_figures(text: str) -> str:
    return "\n".join(_row(line) for line in text.split("\n"))


def _row(line: str) -> str:
    """Return a line with its figures and quoted texts blank; all words, where it begins so."""
    cells = " ".join(_NUMBER.sub("0", _QUOTED.sub('""', line)).split())
    if not re.match(r'0|""', cells):
        return cells
    return " ".join(cell if re.match(r'[^\w]*0|""|to', cell) else "word" for cell in cells.split())


def _check_lines(documented: str, output: str, normal: Callable[[str], str]) -> None:
    parts = [re.escape(part) for part in normal(documented).split(OMISSION)]
    assert re.fullmatch(".*".join(parts), normal(output), re.DOTALL), (
        f"documented:\n{normal(documented)}\ncame:\n{normal(output)}"
    )
